import type { Clock } from '../ports/clock.ts'

/**
 * The log's time, estimated from what arrives and this instance's monotonic clock; wall clocks are never compared. What
 * arrives was stamped before, so the estimate can only lag, and nothing that waits for a log time acts too early.
 */
export interface LogClock {
  /** Whole ms. Before anything was heard: this instance's wall clock. */
  now(): number
  /** What the log's time was at a monotonic time, by what is known now. */
  of(monotonic: number): number
  /** A link begins, at `at` by the log: what was estimated before counts no more, since clocks drift and servers change. */
  began(at: number): void
  /** Something arrived that the log stamped with `at`. */
  heard(at: number): void
}

export function logClock(clock: Clock): LogClock {
  /** The log's time minus the monotonic time; the true difference was never smaller since the link began. */
  let offset: number | undefined
  const of = (monotonic: number): number => Math.floor(monotonic + (offset ?? clock.now() - clock.monotonic()))

  return {
    now: () => of(clock.monotonic()),
    of,
    began(at) {
      offset = at - clock.monotonic()
    },
    heard(at) {
      offset = Math.max(offset ?? -Infinity, at - clock.monotonic())
    },
  }
}
