import type { Counts } from './breaker-events.ts'
import type { Mode } from './fleet-state.ts'

/** A change of a breaker's mode: of the whole fleet's, by an accepted event, or of this instance's alone. */
export interface Transition {
  readonly breaker: string
  readonly from: Mode
  readonly to: Mode
  readonly scope: 'local' | 'fleet'
  /** The rule that tripped, what the probe did, or the operator's words. */
  readonly reason: string
  /** The instance or the operator. */
  readonly by: string
  /** Milliseconds since the epoch: the log's time of a fleet's change, this instance's of a local one. */
  readonly at: number
  readonly term: number
  /** The event's place in the log; 0 for a local change. */
  readonly seq: number
  readonly counts: Counts
}

/** Where a breaker stands for this instance's calls, and why. */
export interface BreakerState {
  readonly mode: Mode
  /** `local`: this instance alone holds it so. */
  readonly scope: 'local' | 'fleet'
  readonly term: number
  /** Since when, in ms since the epoch; 0 for a breaker that was closed from the start. */
  readonly sinceAt: number
  readonly by: string
  readonly reason: string
  readonly counts: Counts
  readonly failedRecoveries: number
  /** When a probe may run (open), or when the order ends (forcedOpen, disabled), in ms since the epoch. */
  readonly retryAt?: number
  /** Who runs the probe (halfOpen). */
  readonly probe?: { readonly holder: string; readonly attempt: number }
}

/** What was counted, in words: `5 consecutive failures`. */
export function explainReason(reason: string, counts: Counts): string {
  if (reason === 'failureThreshold') return `${counts.consecutiveFailures} consecutive failures`
  if (reason === 'failureRate') return `${counts.failures} of ${counts.calls} calls failed`
  if (reason === 'slowCallRate') return `${counts.slow} of ${counts.calls} calls were slow`
  return reason
}
