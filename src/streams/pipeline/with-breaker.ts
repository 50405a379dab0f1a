import { type MonoTypeOperatorFunction, Observable, Subject, takeUntil } from 'rxjs'
import { ConfigError } from '../../kernel/errors.ts'
import { hasMethods } from '../../kernel/options.ts'
import type { Call } from '../../machines/breaker-options.ts'
import type { TimeAndChance } from '../time-and-chance.ts'

/** As much of a breaker as guarding a subscription needs; that of `gear.breaker(name)` has it. */
export interface SubscriptionBreaker {
  run<T>(work: (call: Call) => Promise<T> | T, options?: { readonly signal?: AbortSignal }): Promise<T>
}

/**
 * Guards a subscription: to the breaker it is one call. Refused, the source is not subscribed to, and the error is
 * `BreakerOpenError`; when the recovery time is over, a subscription claims the probe and waits for its claim.
 *
 * ```text
 *   source              1--2--#          1--2--#
 *   withBreaker(smtp)   1--2--#  (counts 1)   1--2--#  (counts 2: open)   #  (BreakerOpenError, source not subscribed to)
 * ```
 * What the breaker counts, once for each subscription:
 * - an error is a failure, judged as one that `run` sees; it is passed on after it was counted;
 * - completing is a success; so is being left after a value, since whoever takes the first of it had what they wanted;
 * - being left before there was a value says nothing: the call, or the probe, is released;
 * - the probe has passed with its first value, since its lease would be over before a long-lived source completes.
 *
 * The breaker's `timeoutMs` and the probe's lease bound how long a subscription may take: a breaker of sources that never
 * end has no `timeoutMs`. A clock may be given as to the other operators; all time here is the breaker's, and so is its clock.
 * @throws ConfigError
 * @example ajax('https://api.example/orders').pipe(withBreaker(gear.breaker('orders')), retryWithJitter())
 */
export function withBreaker<T>(
  breaker: SubscriptionBreaker,
  _surroundings: Pick<TimeAndChance, 'clock'> = {},
): MonoTypeOperatorFunction<T> {
  if (!hasMethods(breaker, ['run'])) throw new ConfigError('breaker', 'expected a breaker: { run(work, { signal }) }')
  return (source) =>
    new Observable<T>((subscriber) => {
      const left = new AbortController()
      const stop$ = new Subject<void>()
      let isAnswered = false
      let ended: Promise<void> = Promise.resolve()
      let answer = (): void => {}
      subscriber.add(() => {
        if (!isAnswered) left.abort()
        stop$.next()
      })
      const subscribeOnce = ({ probe }: Call): Promise<void> => {
        const answered = new Promise<void>((resolve) => (answer = resolve))
        ended = new Promise((resolve, reject) => {
          // By `takeUntil`, a source that emits while it is being subscribed to can be stopped, too; it has completed then.
          source.pipe(takeUntil(stop$)).subscribe({
            next(value) {
              isAnswered = true
              answer()
              subscriber.next(value)
            },
            error: reject,
            complete: resolve,
          })
        })
        return probe === undefined ? ended : Promise.race([answered, ended])
      }
      // The end is passed on when it was counted, so that whoever subscribes again at once is refused when it is time.
      breaker
        .run(subscribeOnce, { signal: left.signal })
        .then(() => ended)
        .then(
          () => subscriber.complete(),
          (error: unknown) => subscriber.error(error),
        )
    })
}
