import type * as fc from 'fast-check'
import type { BreakerOptions, BreakerSettings, Call } from '../../machines/breaker-options.ts'
import type { Limits } from '../../ports/limiter.ts'
import type { RetryPolicy } from '../../streams/retry/retry-policy.ts'
import type { FaultKind } from '../simulate/fault-plan.ts'
import type { TransportOutcome } from './transport.ts'

/** A configuration that laws are tried on: checked, with what goes with it. */
export interface Subject {
  /** At least one. */
  readonly breakers: readonly SubjectBreaker[]
  /** Only where it is configured. */
  readonly retry: RetryPolicy | undefined
  /** Of a whole call: that of the policy, or else of the configuration. */
  readonly deadlineMs: number | undefined
  /** Only where some are configured. */
  readonly limits: Limits | undefined
  readonly outcomes: fc.Arbitrary<TransportOutcome>
  /** Those among them that are plainly faults of the other side, or else one that is; at least one. */
  readonly failures: readonly TransportOutcome[]
  /** Instances in a fleet, at most. */
  readonly instances: number
  readonly faults: readonly FaultKind[]
}

export interface SubjectBreaker {
  readonly name: string
  readonly options: BreakerOptions
  readonly settings: BreakerSettings
  readonly handler: Handler | undefined
}

/** Real code over a stubbed transport, which gives one of the `outcomes` each time that it is asked. */
export type Handler = (call: Call, respond: () => Promise<unknown>) => unknown
