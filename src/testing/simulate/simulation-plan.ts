import { ConfigError } from '../../kernel/errors.ts'
import { leaseGraceMs } from '../../machines/breaker-decide.ts'
import { breakerSettings, type BreakerOptions } from '../../machines/breaker-options.ts'
import type { Configuration } from '../../streams/configuration-conflicts.ts'
import type { RetryPolicy } from '../../streams/retry/retry-policy.ts'
import { seededRandom } from '../seeded-random.ts'
import { faultKinds, planFaults, type FaultKind, type PlannedFault } from './fault-plan.ts'
import type { Scenario } from './scenario.ts'

/** What a simulation takes of a user's configuration. */
export interface SimulatedConfiguration extends Configuration {
  /** Limits are the callers' own; a simulation asks for none. */
  readonly limits?: unknown
}

/** All that a run depends on, so that it can be played again, or made smaller and played again. */
export interface SimulationPlan {
  readonly seed: number
  readonly instances: number
  readonly scenario: Scenario
  readonly breaker: BreakerOptions
  readonly retry: RetryPolicy | undefined
  readonly deadlineMs: number | undefined
  readonly faultKinds: readonly FaultKind[]
  readonly faults: readonly PlannedFault[]
}

/** How long calls go on after the trouble, at least, in ms. */
export const afterwardsMs = 30_000

export interface PlanOptions {
  readonly config: SimulatedConfiguration
  readonly instances: number
  readonly seed: number
  readonly scenario: Scenario
  readonly faults: 'all' | 'none' | readonly FaultKind[]
}

/** @throws ConfigError for a breaker that the configuration does not have */
export function simulationPlan({ config, instances, seed, scenario, faults }: PlanOptions): SimulationPlan {
  const breaker = optionsOf(config.breakers ?? {}, scenario.of)
  const kinds = faults === 'all' ? faultKinds : faults === 'none' ? [] : faults
  return {
    seed,
    instances,
    scenario,
    breaker,
    retry: config.retry,
    deadlineMs: config.deadlineMs,
    faultKinds: kinds,
    faults: planFaults({
      kinds,
      instances,
      fromMs: scenario.fromMs,
      untilMs: scenario.fromMs + scenario.forMs + afterwardsMs / 2,
      // Half of what the grace of a lease makes up for.
      driftMax: Math.min(0.02, leaseGraceMs / 2 / breakerSettings(breaker).leaseMs),
      random: seededRandom(seed),
    }),
  }
}

function optionsOf(breakers: Readonly<Record<string, BreakerOptions>>, name: string): BreakerOptions {
  const own = Object.hasOwn(breakers, name) ? breakers[name] : breakers['default']
  if (own !== undefined) return own
  const names = Object.keys(breakers)
  if (names.length === 0) return {}
  throw new ConfigError(
    'scenario.of',
    `expected a breaker of the configuration: ${names.join(', ')} (given: "${name}")`,
  )
}
