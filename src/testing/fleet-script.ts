import * as fc from 'fast-check'
import type { BreakerOptions } from '../machines/breaker-options.ts'
import type { Skew } from './skewed-clock.ts'

/** What happens to a fleet, as plain data. `at` picks an instance among those that are alive. */
export type FleetStep =
  | { readonly do: 'call' | 'permit' | 'crash'; readonly at: number; readonly end: WorkEnd }
  /** All instances call at the same moment. */
  | { readonly do: 'callAll'; readonly end: WorkEnd }
  /** The dependency is down, or up again: what `auto` work ends as. */
  | { readonly do: 'down' | 'up' | 'join' }
  | {
      readonly do: 'order'
      readonly at: number
      readonly kind: 'forceOpen' | 'disable' | 'release'
      readonly forMs?: number
    }
  /** The dependency goes down, and everybody notices: `sick` of the instances call until they have tripped. */
  | { readonly do: 'outage'; readonly sick: number; readonly ms: number }
  /** The moment that the fleet waits for comes, the dependency is up or not, and everybody calls. */
  | { readonly do: 'comeBack'; readonly up: boolean; readonly end: WorkEnd; readonly ms: number }
  /** What a network, a server and a replicated store can do. */
  | { readonly do: 'fault'; readonly at: number; readonly kind: LogFaultKind }
  /** Time passes: so many ms, or until around the moment that the fleet waits for. */
  | { readonly do: 'wait'; readonly ms: number; readonly until: 'none' | 'before' | 'at' | 'after' }

/**
 * `sound`: it keeps its promises, and answers everybody. `faulty`: it keeps its promises to followers, while answers are
 * lost, appends land late, links are cut or slower than a lease is long, a second winner is stored and acknowledged, and
 * the log itself begins anew. `lossy`: it breaks its promise to followers, who miss messages and hear them in another
 * order. Such a log stores no second winners: of a race whose winner was missed, a reader cannot tell the loser from it.
 */
export type ScriptLog = 'sound' | 'faulty' | 'lossy'

/** Which faults a log has. */
export const faultsOf: Readonly<Record<ScriptLog, readonly LogFaultKind[]>> = Object.freeze({
  sound: [],
  faulty: ['loseAnswers', 'holdAppends', 'landLate', 'repeatLast', 'cut', 'heal', 'cut', 'heal', 'slow', 'rewind'],
  lossy: ['holdAppends', 'landLate', 'repeatLast', 'cut', 'heal', 'loseMessages', 'swapMessages', 'slow'],
})

export type LogFaultKind =
  | 'loseAnswers'
  | 'holdAppends'
  | 'landLate'
  | 'repeatLast'
  | 'cut'
  | 'heal'
  | 'slow'
  | 'rewind'
  | 'loseMessages'
  | 'swapMessages'

/** How a call's work ends: as the dependency is, after a while, never, or with an error of this process's own. */
export type WorkEnd = 'auto' | 'slow' | 'hang' | 'ownFault'

export interface FleetScript {
  readonly seed: number
  readonly instances: number
  readonly latencyMs: number
  /** How the instances' clocks differ, by their places, over and over. */
  readonly skews: readonly Skew[]
  readonly log: ScriptLog
  readonly options: BreakerOptions
  readonly steps: readonly FleetStep[]
}

export const fleetBreaker = 'smtp'

export interface FleetScriptOptions {
  readonly instancesMin?: number
  readonly instancesMax?: number
  /** How many instances an outage is noticed by at least; 1. */
  readonly sickMin?: number
  readonly stepsMax?: number
  readonly quorums?: readonly number[]
  readonly crashes?: boolean
  /** Which logs cases choose from. */
  readonly logs?: readonly ScriptLog[]
  /** Faults that are left out. */
  readonly without?: readonly LogFaultKind[]
  /** Delays of the log that cases choose from, in ms: the most that one way may take. */
  readonly latenciesMs?: readonly number[]
  /** Which breakers cases choose from; such as trip, recover and probe soon. */
  readonly breakers?: fc.Arbitrary<BreakerOptions>
  /** How fast the clocks of instances run that cases choose from; the true time, and 3 % beside it. */
  readonly rates?: readonly number[]
  /** How much time passes in steps, in ms, that cases choose from. */
  readonly waitsMs?: readonly number[]
}

/** Scripts of fleets that open, probe and close, with orders and crashes between. */
export function fleetScripts({
  instancesMax = 5,
  instancesMin = Math.min(2, instancesMax),
  sickMin = 1,
  stepsMax = 12,
  quorums = [1, 1, 1, 2],
  crashes = true,
  logs = ['sound'],
  without = [],
  latenciesMs = [0, 5, 60, 250],
  breakers = quickBreakers(quorums),
  rates = [1, 1, 0.97, 1.03],
  waitsMs = [1, 20, 60, 200, 700],
}: FleetScriptOptions = {}): fc.Arbitrary<FleetScript> {
  const scriptOf = (log: ScriptLog): fc.Arbitrary<FleetScript> =>
    fc.record({
      seed: fc.nat(),
      instances: fc.integer({ min: instancesMin, max: instancesMax }),
      latencyMs: fc.constantFrom(...latenciesMs),
      skews: fc.array(skews(rates), { minLength: 1, maxLength: 3 }),
      log: fc.constant(log),
      options: breakers,
      steps: fc.array(
        fleetSteps(
          crashes,
          faultsOf[log].filter((kind) => !without.includes(kind)),
          waitsMs,
          sickMin,
        ),
        {
          minLength: 4,
          maxLength: stepsMax,
          size: 'max',
        },
      ),
    })
  return fc.oneof(...logs.map(scriptOf))
}

function quickBreakers(quorums: readonly number[]): fc.Arbitrary<BreakerOptions> {
  return fc.record({
    failureThreshold: fc.constantFrom(1, 2),
    quorum: fc.constantFrom(...quorums),
    recoveryTimeoutMs: fc.constantFrom(80, 1_000),
    recoveryBackoff: fc.record({ maxMs: fc.constantFrom(2_000, 10_000) }),
    probe: fc.record({ leaseMs: fc.constantFrom(400, 3_000), successesToClose: fc.constantFrom(1, 1, 2) }),
  })
}

/** Less than what the grace of a lease makes up for, over the longest lease. */
function skews(rates: readonly number[]): fc.Arbitrary<Skew> {
  return fc.record({
    offsetMs: fc.constantFrom(0, 0, -7_200_000, 3_600_000),
    rate: fc.constantFrom(...rates),
  })
}

function fleetSteps(
  crashes: boolean,
  faults: readonly LogFaultKind[],
  waitsMs: readonly number[],
  sickMin: number,
): fc.Arbitrary<FleetStep> {
  const at = fc.nat(9)
  const end = fc.constantFrom<WorkEnd>('auto', 'auto', 'auto', 'auto', 'auto', 'slow', 'slow', 'hang', 'ownFault')
  const step = <T extends FleetStep>(weight: number, model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => ({
    weight,
    arbitrary: fc.record(model) as fc.Arbitrary<FleetStep>,
  })
  const kind = fc.constantFrom('forceOpen', 'disable', 'release')
  const ms = fc.constantFrom(...waitsMs)
  const until = fc.constantFrom('none', 'none', 'before', 'at', 'after', 'after', 'after')
  return fc.oneof(
    step(4, { do: fc.constant('call'), at, end }),
    step(2, { do: fc.constant('permit'), at, end }),
    step(6, { do: fc.constant('callAll'), end }),
    step(2, { do: fc.constant('down') }),
    step(2, { do: fc.constant('up') }),
    step(5, { do: fc.constant('wait'), ms, until }),
    step(7, { do: fc.constant('outage'), sick: fc.integer({ min: sickMin, max: Math.max(5, sickMin) }), ms }),
    step(9, { do: fc.constant('comeBack'), up: fc.boolean(), end, ms }),
    step(1, { do: fc.constant('order'), at, kind, forMs: fc.constantFrom(50, 1_000) }),
    step(1, { do: fc.constant('order'), at, kind: fc.constant('release') }),
    ...(faults.length > 0 ? [step(8, { do: fc.constant('fault'), at, kind: fc.constantFrom(...faults) })] : []),
    ...(crashes
      ? [step(1, { do: fc.constant('crash'), at, end: fc.constant('auto') }), step(1, { do: fc.constant('join') })]
      : []),
  )
}
