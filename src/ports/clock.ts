import { performance } from 'node:perf_hooks'
import { hasMethods } from '../kernel/options.ts'

/** A timer that was started; only its own clock can end it. */
export interface Timer {
  readonly unref?: () => unknown
}

/**
 * Time, as far as the engine knows it. `now` is for people and for the log; durations are measured with `monotonic`,
 * which never steps back. Timers of the system's clock do not keep the process alive, except those of `sleep`, since
 * someone awaits them.
 */
export interface Clock {
  /** Milliseconds since the epoch. May step. */
  now(): number
  /** Milliseconds since some moment in the past. Never steps back. */
  monotonic(): number
  /** `keepAlive`: somebody awaits it, so the process must not end before. */
  setTimeout(run: () => void, delayMs: number, options?: { readonly keepAlive?: boolean }): Timer
  clearTimeout(timer: Timer): void
  /** Resolves after `delayMs`; rejects with the signal's reason when that aborts first, and leaves no timer or listener. */
  sleep(delayMs: number, options?: { readonly signal?: AbortSignal }): Promise<void>
}

/** As much of a clock of the caller's as can be checked without calling it. */
export function isClock(value: unknown): value is Clock {
  return hasMethods(value, ['now', 'monotonic', 'setTimeout', 'clearTimeout', 'sleep'])
}

/** The clock of this process. `performance` is imported, since the global one is found by a function each time. */
export const systemClock: Clock = Object.freeze({
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (run: () => void, delayMs: number, options: { readonly keepAlive?: boolean } = {}): Timer =>
    options.keepAlive === true ? setTimeout(run, delayMs) : setTimeout(run, delayMs).unref(),
  clearTimeout: (timer: Timer) => clearTimeout(timer as NodeJS.Timeout),
  sleep: (delayMs: number, options: { readonly signal?: AbortSignal } = {}) =>
    sleepOn(
      (run) => setTimeout(run, delayMs),
      (timer) => clearTimeout(timer),
      options.signal,
    ),
})

/** `sleep` over any pair of timer functions: the one place that pairs the timer with the signal's listener. */
export function sleepOn<T>(
  start: (run: () => void) => T,
  stop: (timer: T) => void,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      stop(timer)
      reject(signal?.reason)
    }
    const timer = start(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/**
 * Waits for a promise, but no longer than `deadlineMs`; `undefined` when it is late. Since somebody awaits it, it keeps
 * the process alive for that long.
 */
export async function within<T>(clock: Clock, deadlineMs: number, promise: Promise<T>): Promise<T | undefined> {
  const end = new AbortController()
  const late = clock.sleep(deadlineMs, { signal: end.signal }).catch(() => undefined)
  try {
    return (await Promise.race([promise, late])) ?? undefined
  } finally {
    end.abort()
  }
}
