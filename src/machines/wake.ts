import { durationMsMax } from '../kernel/options.ts'
import type { Admission } from './gate.ts'

/** What a breaker may have to do without a call. */
export interface Waiting {
  /** When an order ends, by the log's time. */
  readonly orderEnd: number | undefined
  readonly linked: boolean
  readonly logNow: number
  /** What would happen to a call now, for those who probe by themselves. */
  readonly next: Admission | undefined
}

/** In how many ms a breaker has to do something by itself: tell that an order is over, or probe. Pure. */
export function wakeAfterMs({ orderEnd, linked, logNow, next }: Waiting): number | undefined {
  if (orderEnd !== undefined) {
    const leftMs = orderEnd - logNow
    // Over, and nobody can be told: the gate knows, and the link will wake us.
    return leftMs <= 0 && !linked ? undefined : leftMs
  }
  if (next === undefined || next.kind === 'admit') return undefined
  if (next.kind !== 'refuse') return 0
  return Number.isFinite(next.waitMs) ? next.waitMs : undefined
}

/** Node ends a timer that is longer than the longest at once; whoever wakes too early waits again. */
export function timerMs(delayMs: number): number {
  return Math.min(delayMs, durationMsMax)
}
