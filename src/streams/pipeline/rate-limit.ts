import { type MonoTypeOperatorFunction, Observable, Subject, type Subscriber, takeUntil } from 'rxjs'
import { z } from 'zod'
import { ClosedError, OverCapacityError, RateLimitedError } from '../../kernel/errors.ts'
import { callable, count, hasMethods, parseOptions } from '../../kernel/options.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import { type Clock, systemClock, type Timer } from '../../ports/clock.ts'
import type { Decision, Limiter, LimitNames } from '../../ports/limiter.ts'
import { silentLogger } from '../../ports/logger.ts'
import { askLimiter } from '../safe-call/ask-limiter.ts'
import { type TimeAndChance, timeAndChanceFields } from '../time-and-chance.ts'
import { fairRoom, type Waiting } from './fair-room.ts'

/** Why an item does not go on. */
export type NotPassed = Decision | OverCapacityError | ClosedError

export interface RateLimitOptions<T> extends Pick<TimeAndChance, 'clock'> {
  readonly limiter: Pick<Limiter, 'check' | 'refund'>
  /** What each item is counted under. */
  readonly names: LimitNames
  /** Whose limits: an organization, or what gives an item's. */
  readonly key: string | ((item: T) => string)
  /** What becomes of an item over the limit: it waits until it may pass, or it is refused. Default `wait`. */
  readonly onLimited?: 'wait' | 'refuse' | undefined
  /**
   * Hears of each item that does not go on: with the decision; with `OverCapacityError` where `maxWaiting` were waiting;
   * with `ClosedError` when it waited and the stream failed. What it throws is ignored.
   */
  readonly onRefused?: ((item: T, why: NotPassed) => unknown) | undefined
  /** Items that wait, those that the limiter is just being asked about included; at least 1. Default 1,000. */
  readonly maxWaiting?: number | undefined
}

export const rateLimitDefaults: { readonly onLimited: 'wait'; readonly maxWaiting: number } = Object.freeze({
  onLimited: 'wait',
  maxWaiting: 1_000,
})

/**
 * Lets items through as the limits of their keys allow.
 *
 * ```text
 *   source                a1 a2 a3 b1 |
 *   rateLimit, 2 a window a1 a2    b1          a3 |     a3 waits for its window, and nobody of another key waits for it
 *   onLimited: 'refuse'   a1 a2    b1 |                 onRefused(a3, decision)
 * ```
 * - The items of a key keep their order, and the limiter is asked about one of them at a time: when a window is over, one
 *   asks and not all. Keys do not wait for each other.
 * - Where `maxWaiting` are waiting, the one that goes is the newest of the key that has most of them.
 * - What does not go on is told to `onRefused`. Without it, `refuse` drops in silence, as it says; but an item that was to
 *   wait and cannot (past `maxWaiting`, or at a cost above the limit) is an error: `OverCapacityError`, `RateLimitedError`.
 * - A limiter that breaks lets the item through. A name or a key that cannot be meant is an error: `ConfigError`.
 * - What was booked for an item that nobody wants any more is given back.
 * - Completing waits for what waits. An error of the source comes at once, and what waits is told to `onRefused`.
 *   Unsubscribing drops it, and leaves no timer.
 *
 * Memory is bounded by `maxWaiting`.
 * @throws ConfigError
 * @example alerts$.pipe(rateLimit({ limiter: gear.limiter, names: ['email'], key: (alert) => alert.organization }))
 */
export function rateLimit<T>(
  options: RateLimitOptions<T>,
  surroundings: Pick<TimeAndChance, 'clock'> = {},
): MonoTypeOperatorFunction<T> {
  const plan = planOf(options, surroundings)
  return (source) =>
    new Observable<T>((subscriber) => {
      const stop$ = new Subject<void>()
      const gate = openGate(plan, subscriber)
      subscriber.add(() => {
        gate.leave()
        stop$.next()
      })
      // By `takeUntil`, a source that emits while it is being subscribed to can be stopped, too.
      source.pipe(takeUntil(stop$)).subscribe({
        next: (item) => gate.enter(item),
        error: (error: unknown) => gate.fail(error),
        complete: () => gate.complete(),
      })
    })
}

interface Plan<T> {
  readonly limiter: Pick<Limiter, 'check' | 'refund'>
  readonly names: LimitNames
  readonly keyOf: (item: T) => string
  readonly waits: boolean
  readonly onRefused: RateLimitOptions<T>['onRefused']
  readonly maxWaiting: number
  readonly clock: Clock
}

/** @throws ConfigError */
function planOf<T>(options: RateLimitOptions<T>, surroundings: Pick<TimeAndChance, 'clock'>): Plan<T> {
  const given: RateLimitOptions<T> = parseOptions(schema, options, 'rateLimit')
  const { key } = given
  return {
    limiter: given.limiter,
    names: given.names,
    keyOf: typeof key === 'string' ? () => key : key,
    waits: (given.onLimited ?? rateLimitDefaults.onLimited) === 'wait',
    onRefused: given.onRefused,
    maxWaiting: given.maxWaiting ?? rateLimitDefaults.maxWaiting,
    clock: surroundings.clock ?? given.clock ?? systemClock,
  }
}

const schema: z.ZodType<RateLimitOptions<unknown>> = z.strictObject({
  limiter: z.custom<Pick<Limiter, 'check' | 'refund'>>(
    (value) => hasMethods(value, ['check', 'refund']),
    'expected a limiter',
  ),
  names: z.custom<LimitNames>((value) => value !== undefined, 'expected names'),
  key: z.union([z.string(), callable<(item: unknown) => string>()], "expected a text, or what gives an item's"),
  onLimited: z.enum(['wait', 'refuse']).optional(),
  onRefused: callable<(item: unknown, why: NotPassed) => unknown>().optional(),
  maxWaiting: count.optional(),
  clock: timeAndChanceFields.clock,
})

/** One wait: a timer has an end, and a limit may have been raised meanwhile. At least 1 ms, so that it is not asked all the time. */
const waitMs = { min: 1, max: 60_000 }

/** One subscription. */
function openGate<T>(plan: Plan<T>, subscriber: Subscriber<T>) {
  const { clock, limiter, names, maxWaiting } = plan
  const timers = new Set<Timer>()
  let isComplete = false

  const turnAway = (item: T, key: string, why: Decision | OverCapacityError): void => {
    if (plan.onRefused !== undefined) unheeded(() => plan.onRefused?.(item, why))
    else if (plan.waits) subscriber.error('allowed' in why ? new RateLimitedError(`"${key}"`, why) : why)
  }
  const room = fairRoom<T>(maxWaiting, (item, key) => {
    turnAway(item, key, new OverCapacityError('rateLimit', 'maxWaiting', maxWaiting))
  })

  /** About the first of a lane, and never about two of them. */
  const ask = (waiting: Waiting<T>): void => {
    askLimiter({ limiter, key: waiting.lane.key, names, clock, logger: silentLogger }).then(
      (decision) => answer(waiting, decision),
      fail,
    )
  }
  const answer = (waiting: Waiting<T>, decision: Decision | undefined): void => {
    const { item, lane } = waiting
    if (subscriber.closed) {
      if (decision?.allowed === true) unheeded(() => limiter.refund(decision))
      return
    }
    if (decision?.allowed === false && plan.waits && decision.retryAfterMs !== Infinity) {
      askAgain(waiting, decision.retryAfterMs)
      return
    }
    room.leave(waiting)
    if (decision?.allowed === false) turnAway(item, lane.key, decision)
    else subscriber.next(item)
    const next = lane.items.first
    if (next !== undefined && !subscriber.closed) ask(next)
    completeWhenEmpty()
  }
  const askAgain = (waiting: Waiting<T>, afterMs: number): void => {
    const again = (): void => {
      timers.delete(timer)
      ask(waiting)
    }
    const timer = clock.setTimeout(again, Math.min(waitMs.max, Math.max(waitMs.min, afterMs)), { keepAlive: true })
    timers.add(timer)
  }
  const completeWhenEmpty = (): void => {
    if (isComplete && room.size === 0) subscriber.complete()
  }
  const fail = (error: unknown): void => {
    if (subscriber.closed) return
    const why = new ClosedError('rateLimit')
    for (const item of room.empty()) unheeded(() => plan.onRefused?.(item, why))
    subscriber.error(error)
  }
  return {
    enter(item: T): void {
      let key: string
      try {
        key = plan.keyOf(item)
      } catch (error) {
        return fail(error)
      }
      const waiting = room.enter(key, item)
      if (waiting !== undefined && waiting.lane.items.first === waiting) ask(waiting)
    },
    fail,
    complete(): void {
      isComplete = true
      completeWhenEmpty()
    },
    leave(): void {
      for (const timer of timers) clock.clearTimeout(timer)
      timers.clear()
    },
  }
}
