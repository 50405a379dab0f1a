import * as fc from 'fast-check'
import { leaseGraceMs } from '../../machines/breaker-decide.ts'
import { clockDriftMax } from '../../machines/breaker-conflicts.ts'
import type { BreakerOptions } from '../../machines/breaker-options.ts'
import { failuresToTrip } from '../failures-to-trip.ts'
import {
  faultsOf,
  fleetScripts,
  type FleetScript,
  type FleetScriptOptions,
  type LogFaultKind,
} from '../fleet-script.ts'
import type { Law } from '../law.ts'
import type { FaultKind } from '../simulate/fault-plan.ts'
import type { Subject } from '../verify/subject.ts'
import { logScripts, type LogScript, type LogScriptOptions } from '../written-log.ts'

/** Where a law gets its scripts from: any breakers, or those of one configuration. */
export interface Scripts {
  fleets(options?: FleetScriptOptions): fc.Arbitrary<FleetScript>
  logs(options?: LogScriptOptions): fc.Arbitrary<LogScript>
}

/** A law over scripts, which can be had for any configuration. */
export function onSubject<Case>(make: (scripts: Scripts) => Law<Case>): Law<Case> {
  return {
    ...make({ fleets: fleetScripts, logs: logScripts }),
    for: (subject) => make(scriptsOf(subject)),
  }
}

/** Scripts of a configuration's breakers. */
export function scriptsOf(subject: Subject): Scripts {
  const breakers = subject.breakers.map(({ options }) => playable(options))
  return {
    fleets: (own = {}) => fleetScripts({ ...own, ...fleetOptions(subject, breakers, own) }),
    logs: (own = {}) => logScripts({ ...own, breakers: fc.constantFrom(...breakers) }),
  }
}

/**
 * How a breaker trips is what `breaker.oracle` is about: here it trips soon, so that what follows is reached. What calls
 * out of the configuration is left out.
 */
export function playable({
  probe: { check: _check, ...probe } = {},
  judge: _judge,
  ...options
}: BreakerOptions): BreakerOptions {
  const trips = failuresToTrip(options) <= failuresMax ? {} : { failureThreshold: 2 }
  return { ...options, ...trips, probe }
}

/** What calls out of the configuration, and not through a handler, is not called. */
export function withoutHooks({ probe: { check: _check, ...probe } = {}, ...options }: BreakerOptions): BreakerOptions {
  return { ...options, probe }
}

/** A script plays so many failures at once, and not more. */
const failuresMax = 20

function fleetOptions(
  { instances, faults, breakers: of }: Subject,
  breakers: readonly BreakerOptions[],
  { logs = ['sound'], latenciesMs = [0, 5, 60, 250], without = [], crashes = true }: FleetScriptOptions,
): FleetScriptOptions {
  const settings = of.map((breaker) => breaker.settings)
  const quorum = Math.max(...settings.map((each) => each.quorum))
  const isOff = (kind: LogFaultKind): boolean => !faults.includes(faultNames[kind])
  const possible = logs.filter((log) => log === 'sound' || !faultsOf[log].every(isOff))
  const leaseMs = Math.max(...settings.map((each) => each.leaseMs))
  // What the grace makes up for, as far as clocks that are kept in time stay within it.
  const drift = Math.max(clockDriftMax, Math.min(0.03, leaseGraceMs / 2 / leaseMs))
  return {
    breakers: fc.constantFrom(...breakers),
    // A fleet that cannot reach its quorum never opens.
    ...(quorum > 2 && { instancesMin: quorum, sickMin: quorum }),
    instancesMax: Math.max(instances, quorum),
    logs: possible.length === 0 ? ['sound'] : possible,
    without: [...without, ...logFaultKinds.filter(isOff)],
    crashes: crashes && faults.includes('crash'),
    rates: faults.includes('clockDrift') ? [1, 1, 1 - drift, 1 + drift] : [1],
    latenciesMs: faults.includes('delay') ? latenciesMs : [0],
    waitsMs: [1, 20, 60, 200, 700, ...new Set(settings.map((each) => Math.ceil(each.leaseMs / 2)))],
  }
}

/** What scripts call a fault, by the names that users know. */
const faultNames: Readonly<Record<LogFaultKind, FaultKind>> = {
  loseAnswers: 'lostAnswer',
  holdAppends: 'lateAppend',
  landLate: 'lateAppend',
  repeatLast: 'duplication',
  cut: 'partition',
  heal: 'partition',
  slow: 'delay',
  rewind: 'rewind',
  loseMessages: 'loss',
  swapMessages: 'reordering',
}

const logFaultKinds = [...new Set([...faultsOf.faulty, ...faultsOf.lossy])]
