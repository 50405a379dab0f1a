import { type MonoTypeOperatorFunction, Observable, Subject, takeUntil } from 'rxjs'
import { planRetry, type RetryPolicy } from '../retry/retry-policy.ts'
import { runWithRetry } from '../retry/run-with-retry.ts'
import type { TimeAndChance } from '../time-and-chance.ts'

/**
 * Subscribes to the source again when it fails, after a growing, jittered delay: `retry` for an Observable, by the same
 * policy and the same rules. A subscription is an attempt; its values pass as they come, so those of a failed one have
 * passed already.
 *
 * ```text
 *   source             1--2--#
 *                              ~1 s~  1--2--#
 *                                              ~2 s~  1--2--3--|
 *   retryWithJitter()  1--2-----------1--2------------1--2--3--|
 * ```
 * The delays are waited for by the policy's clock, which may also be given beside it. `deadlineMs` is of the whole
 * subscription, its waits included: at its end the source is left, and the error is its last, or a `TimeoutError`. An
 * error that is not retryable, a refusal by an open breaker, and the last of `maxAttempts` come out unchanged; values do
 * not set the count back. `signal` ends it with its reason. Unsubscribing ends a wait at once and leaves no timer.
 * @throws ConfigError
 * @example connect('wss://feed.example').pipe(retryWithJitter({ maxAttempts: 10, jitter: 'full' }))
 */
export function retryWithJitter<T>(
  policy: RetryPolicy = {},
  surroundings: TimeAndChance = {},
): MonoTypeOperatorFunction<T> {
  const plan = planRetry(policy, surroundings, 'retryWithJitter')
  return (source) =>
    new Observable<T>((subscriber) => {
      const left = new AbortController()
      const stop$ = new Subject<void>()
      subscriber.add(() => {
        left.abort()
        stop$.next()
      })
      // By `takeUntil`, a source that emits while it is being subscribed to can be stopped, too.
      const subscribeOnce = (): Promise<void> =>
        new Promise((_, reject) => {
          source.pipe(takeUntil(stop$)).subscribe({
            next: (value) => subscriber.next(value),
            error: reject,
            complete: () => subscriber.complete(),
          })
        })
      void runWithRetry(plan, subscribeOnce, { signal: left.signal }).then((result) =>
        result.ok ? undefined : subscriber.error(result.thrown),
      )
    })
}
