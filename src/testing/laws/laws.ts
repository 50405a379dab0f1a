import type { Law } from '../law.ts'
import { autonomyLaws, type AutonomyLawName } from './autonomy.ts'
import { breakerLaws, type BreakerLawName } from './breaker.ts'
import { cacheLaws, type CacheLawName } from './cache.ts'
import { deadLettersLaws, type DeadLettersLawName } from './dead-letters.ts'
import { fleetLaws, type FleetLawName } from './fleet.ts'
import { limiterLaws, type LimiterLawName } from './limiter.ts'
import { pipelineLaws, type PipelineLawName } from './pipeline.ts'
import { probeLaws, type ProbeLawName } from './probe.ts'
import { retryLaws } from './retry-configured.ts'
import type { RetryLawName } from './retry.ts'
import { safeCallInstance } from './safe-call-instance.ts'
import { safeCallLaws } from './safe-call.ts'

/** Its third is the law of dead letters, of which that group has one that also knows configurations. */
const { neverThrows, hooks } = safeCallLaws(safeCallInstance)

/** What must always hold, by group. */
export const laws: Readonly<{
  breaker: Readonly<Record<BreakerLawName, Law>>
  probe: Readonly<Record<ProbeLawName, Law>>
  fleet: Readonly<Record<FleetLawName, Law>>
  autonomy: Readonly<Record<AutonomyLawName, Law>>
  retry: Readonly<Record<RetryLawName, Law>>
  limiter: Readonly<Record<LimiterLawName, Law>>
  deadLetters: Readonly<Record<DeadLettersLawName, Law>>
  cache: Readonly<Record<CacheLawName, Law>>
  pipeline: Readonly<Record<PipelineLawName, Law>>
  safeCall: Readonly<Record<'neverThrows' | 'hooks', Law>>
}> = Object.freeze({
  breaker: breakerLaws,
  probe: probeLaws,
  fleet: fleetLaws,
  autonomy: autonomyLaws,
  retry: retryLaws,
  limiter: limiterLaws,
  deadLetters: deadLettersLaws,
  cache: cacheLaws,
  pipeline: pipelineLaws,
  safeCall: { neverThrows, hooks },
})
