import type { Clock } from '../ports/clock.ts'

/**
 * The log's time, estimated from what arrives and this instance's monotonic clock; wall clocks are never compared. What
 * arrives was stamped before, so the estimate can only lag, and nothing that waits for a log time acts too early: unless
 * this instance's clock is the faster one, by 10 s in a day that one in 10,000 is. What it sends shows that.
 */
export interface LogClock {
  /** Whole ms. Before anything was heard: this instance's wall clock. */
  now(): number
  /** What the log's time was at a monotonic time, by what is known now. */
  of(monotonic: number): number
  /** A link begins, at `at` by the log: what was estimated before counts no more, since clocks drift and servers change. */
  began(at: number): void
  /** Something arrived that the log stamped with `at`; of what this instance sent itself, when: monotonic. */
  heard(at: number, sentAt?: number): void
}

export function logClock(clock: Clock): LogClock {
  /** The log's time minus the monotonic time: the greatest that was seen since the link began, or since it was refuted. */
  let offset: number | undefined
  const of = (monotonic: number): number => Math.floor(monotonic + (offset ?? clock.now() - clock.monotonic()))

  return {
    now: () => of(clock.monotonic()),
    of,
    began(at) {
      offset = at - clock.monotonic()
    },
    heard(at, sentAt = -Infinity) {
      // Stamped after it was sent, in whole ms, and before it arrived.
      offset = Math.min(at + 1 - sentAt, Math.max(offset ?? -Infinity, at - clock.monotonic()))
    },
  }
}
