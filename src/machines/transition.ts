import { noCounts } from './breaker-decide.ts'
import type { BreakerEvent, Counts } from './breaker-events.ts'
import type { Mode } from './fleet-state.ts'
import { causeInForce, inForce, type Position } from './fold.ts'

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

/** What the fleet's change of a breaker is for those who watch; `undefined` where its mode and term are what they were. */
export function fleetTransition(
  breaker: string,
  before: Position,
  after: Position,
  event: BreakerEvent | undefined,
  wallNow: number,
): Transition | undefined {
  const { mode: from, term: lastTerm } = inForce(before)
  const { mode: to, term, order } = inForce(after)
  if (from === to && term === lastTerm) return undefined
  const cause = causeInForce(after)
  return {
    breaker,
    from,
    to,
    scope: 'fleet',
    reason: cause?.reason ?? event?.reason ?? '',
    by: cause?.by ?? order?.by ?? event?.by ?? '',
    at: cause?.at ?? wallNow,
    term,
    seq: cause?.seq ?? after.seq,
    counts: cause?.counts ?? event?.counts ?? noCounts,
  }
}

/** What was counted, in words: `5 consecutive failures`. */
export function explainReason(reason: string, counts: Counts): string {
  if (reason === 'failureThreshold') return `${counts.consecutiveFailures} consecutive failures`
  if (reason === 'failureRate') return `${counts.failures} of ${counts.calls} calls failed`
  if (reason === 'slowCallRate') return `${counts.slow} of ${counts.calls} calls were slow`
  return reason
}
