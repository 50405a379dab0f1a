import { sleepOn, type Clock, type Timer } from '../ports/clock.ts'

/** How an instance's clock differs from the true one. */
export interface Skew {
  /** How far its wall clock is off, in ms. */
  readonly offsetMs: number
  /** How fast it runs: 1.02 gains 2 %, and its timers end earlier by as much. */
  readonly rate: number
}

/** A clock that differs from `base` by its offset and its rate, and started counting at another moment. */
export function skewedClock(base: Clock, { offsetMs, rate }: Skew): Clock {
  const start = (run: () => void, delayMs: number): Timer => base.setTimeout(run, delayMs / rate)
  return {
    now: () => base.now() + offsetMs,
    monotonic: () => base.monotonic() * rate + Math.abs(offsetMs),
    setTimeout: start,
    clearTimeout: (timer) => base.clearTimeout(timer),
    sleep: (delayMs, { signal } = {}) =>
      sleepOn(
        (run) => start(run, delayMs),
        (timer) => base.clearTimeout(timer),
        signal,
      ),
  }
}
