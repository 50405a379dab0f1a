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
  /** What a network, a server and a replicated store can do; only where the script's log is a faulty one. */
  | { readonly do: 'fault'; readonly at: number; readonly kind: LogFaultKind }
  /** Time passes: so many ms, or until around the moment that the fleet waits for. */
  | { readonly do: 'wait'; readonly ms: number; readonly until: 'none' | 'before' | 'at' | 'after' }

export type LogFaultKind = 'loseAnswers' | 'holdAppends' | 'landLate' | 'repeatLast' | 'cut' | 'heal'

/** How a call's work ends: as the dependency is, after a while, never, or with an error of this process's own. */
export type WorkEnd = 'auto' | 'slow' | 'hang' | 'ownFault'

export interface FleetScript {
  readonly seed: number
  readonly instances: number
  readonly latencyMs: number
  /** How the instances' clocks differ, by their places, over and over. */
  readonly skews: readonly Skew[]
  /** Whether the log is one whose answers are lost, that takes second winners, and whose links are cut. */
  readonly faulty: boolean
  readonly options: BreakerOptions
  readonly steps: readonly FleetStep[]
}

export const fleetBreaker = 'smtp'

export interface FleetScriptOptions {
  readonly instancesMax?: number
  readonly stepsMax?: number
  readonly quorums?: readonly number[]
  readonly crashes?: boolean
  readonly faulty?: boolean
  /** Delays of the log that cases choose from, in ms: the most that one way may take. */
  readonly latenciesMs?: readonly number[]
}

/** Scripts of fleets that open, probe and close, with orders and crashes between. */
export function fleetScripts({
  instancesMax = 5,
  stepsMax = 12,
  quorums = [1, 1, 1, 2],
  crashes = true,
  faulty = false,
  latenciesMs = [0, 5, 60, 250],
}: FleetScriptOptions = {}): fc.Arbitrary<FleetScript> {
  return fc.record({
    seed: fc.nat(),
    instances: fc.integer({ min: Math.min(2, instancesMax), max: instancesMax }),
    latencyMs: fc.constantFrom(...latenciesMs),
    skews: fc.array(skews, { minLength: 1, maxLength: 3 }),
    faulty: faulty ? fc.boolean() : fc.constant(false),
    options: fc.record({
      failureThreshold: fc.constantFrom(1, 2),
      quorum: fc.constantFrom(...quorums),
      recoveryTimeoutMs: fc.constantFrom(80, 1_000),
      recoveryBackoff: fc.record({ maxMs: fc.constantFrom(2_000, 10_000) }),
      probe: fc.record({ leaseMs: fc.constantFrom(400, 3_000), successesToClose: fc.constantFrom(1, 1, 2) }),
    }),
    steps: fc.array(fleetSteps(crashes, faulty), { minLength: 4, maxLength: stepsMax, size: 'max' }),
  })
}

/** Less than what the grace of a lease makes up for, over the longest lease. */
const skews: fc.Arbitrary<Skew> = fc.record({
  offsetMs: fc.constantFrom(0, 0, -7_200_000, 3_600_000),
  rate: fc.constantFrom(1, 1, 0.97, 1.03),
})

function fleetSteps(crashes: boolean, faulty: boolean): fc.Arbitrary<FleetStep> {
  const at = fc.nat(9)
  const end = fc.constantFrom<WorkEnd>('auto', 'auto', 'auto', 'auto', 'auto', 'slow', 'slow', 'hang', 'ownFault')
  const step = <T extends FleetStep>(weight: number, model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => ({
    weight,
    arbitrary: fc.record(model) as fc.Arbitrary<FleetStep>,
  })
  const kind = fc.constantFrom('forceOpen', 'disable', 'release')
  const ms = fc.constantFrom(1, 20, 60, 200, 700)
  const until = fc.constantFrom('none', 'none', 'before', 'at', 'after', 'after', 'after')
  return fc.oneof(
    step(4, { do: fc.constant('call'), at, end }),
    step(2, { do: fc.constant('permit'), at, end }),
    step(6, { do: fc.constant('callAll'), end }),
    step(2, { do: fc.constant('down') }),
    step(2, { do: fc.constant('up') }),
    step(5, { do: fc.constant('wait'), ms, until }),
    step(7, { do: fc.constant('outage'), sick: fc.integer({ min: 1, max: 5 }), ms }),
    step(9, { do: fc.constant('comeBack'), up: fc.boolean(), end, ms }),
    step(1, { do: fc.constant('order'), at, kind, forMs: fc.constantFrom(50, 1_000) }),
    step(1, { do: fc.constant('order'), at, kind: fc.constant('release') }),
    ...(faulty ? [step(6, { do: fc.constant('fault'), at, kind: faultKinds })] : []),
    ...(crashes
      ? [step(1, { do: fc.constant('crash'), at, end: fc.constant('auto') }), step(1, { do: fc.constant('join') })]
      : []),
  )
}

const faultKinds = fc.constantFrom<LogFaultKind>('loseAnswers', 'holdAppends', 'landLate', 'repeatLast', 'cut', 'heal')
