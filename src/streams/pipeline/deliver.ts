import { Observable, type OperatorFunction, Subject, takeUntil } from 'rxjs'
import type { TimeAndChance } from '../time-and-chance.ts'
import { type Delivered, type DeliverOptions, planDeliver } from './deliver-options.ts'
import { type DeliverFeed, DeliverRun } from './deliver-run.ts'
import { SourceObservable } from './source-observable.ts'

export type { DeliverBreaker, Delivered, DeliverLimit, DeliverOptions } from './deliver-options.ts'

/**
 * Delivers each item: through its breaker, with retries, within its limit, fairly among keys; and tells of exactly one
 * outcome for each, when it is known.
 *
 * ```text
 *   items     a-----b-----c-----------------------|
 *   to        a     b!    c       b (again)
 *   outcomes  ---a'----------c'-------b'----------|
 * ```
 *
 * While the breaker is open, items wait (`whenOpen`); what has waited longer than `maxAgeMs` ends as `expired`:
 *
 * ```text
 *   items     a--b--c--d--------------------------|
 *   breaker   closed | open            | probe: c  | closed
 *   outcomes  -a'----------------------------c'-d'-b'|
 * ```
 *
 * Put directly behind a source that is asked (`fromJetStream`, `fromAsyncIterable`, `fromItemSource`), it takes no more than
 * `concurrency + maxWaiting` items, and settles each with its outcome after it was emitted. Behind any other Observable, an
 * item that comes when so many are in hand ends as `refused`, `overCapacity`: the newest of the key that has the most
 * waiting. `concurrency` bounds what is on its way, the wait between two attempts included; what waits for a breaker, a
 * limit or the end of a `Retry-After` holds no place there.
 *
 * A 429 or 503 with `Retry-After` holds back the whole destination, for `retry.maxDelayMs` at most. After a hold or an open
 * breaker one item goes first, another one each time, and all when that went well. When the source completes, so does this
 * once everything in hand has its outcome; when it fails, the error comes after those. Unsubscribing calls everything off
 * at once. No hook that throws (`key`, `through`, `describe`, …) ends the stream: its item has `failed`.
 * `node:diagnostics_channel` carries every outcome as `switchgear:call`, and every retry as `switchgear:retry`.
 * @throws ConfigError
 * @example alerts$.pipe(deliver({ through: smtp, to: (alert, call) => send(alert, call.signal), key: (alert) => alert.organization }))
 */
export function deliver<T, R>(
  options: DeliverOptions<T, R>,
  surroundings: TimeAndChance = {},
): OperatorFunction<T, Delivered<T, R>> {
  const plan = planDeliver(options, surroundings)
  return (source) =>
    new Observable((subscriber) => {
      const run = new DeliverRun(plan, {
        next: (delivered) => subscriber.next(delivered as Delivered<T, R>),
        complete: () => subscriber.complete(),
        error: (error) => subscriber.error(error),
      })
      subscriber.add(() => run.abandon())
      subscriber.add(plan.gauge?.add(() => run.counts))
      if (plan.signal?.aborted) return run.drain()
      if (source instanceof SourceObservable) run.open(asked(source as SourceObservable<T>, run))
      else pushed(source, run)
      return undefined
    })
}

function asked<T>({ items }: SourceObservable<T>, run: DeliverRun): DeliverFeed {
  return items.open({
    item: (taken) => run.take(taken.item, taken),
    end: (error) => run.sourceEnded(error === undefined ? {} : { error }),
  })
}

function pushed(source: Observable<unknown>, run: DeliverRun): void {
  // A source may give all it has before `subscribe` returns.
  const stop = new Subject<void>()
  run.open({ close: () => stop.next() })
  source.pipe(takeUntil(stop)).subscribe({
    next: (item) => run.take(item),
    complete: () => run.sourceEnded({}),
    error: (error: unknown) => run.sourceEnded({ error }),
  })
}
