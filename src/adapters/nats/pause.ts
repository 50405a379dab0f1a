import { growingDelay } from '../../kernel/jitter.ts'
import { systemClock } from '../../ports/clock.ts'
import { systemRandom } from '../../ports/random.ts'

/** How long to wait before the next try: those who lost the server together do not come back together. */
const backoff = Object.freeze({ baseMs: 100, maxMs: 5_000, multiplier: 2, jitter: 'full' as const })

/**
 * Waits longer after each failure in a row, from 0 to 100 ms up to 5 s, jittered. Ends at once when the signal aborts.
 * Does not keep the process alive.
 */
export function pauseBeforeRetry(failures: number, signal: AbortSignal): Promise<void> {
  const delayMs = growingDelay(backoff, failures - 1, systemRandom.next())
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = systemClock.setTimeout(end, delayMs)
    signal.addEventListener('abort', end, { once: true })
    function end(): void {
      systemClock.clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
  })
}
