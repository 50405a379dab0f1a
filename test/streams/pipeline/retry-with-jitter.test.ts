import { getEventListeners } from 'node:events'
import { concat, defer, firstValueFrom, NEVER, Observable, of, range, take, throwError, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { BreakerOpenError } from '../../../src/kernel/errors.ts'
import { retryBudget } from '../../../src/streams/retry/retry-budget.ts'
import { retryWithJitter } from '../../../src/streams/pipeline/retry-with-jitter.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { recorded } from './recorded.ts'

/** Fails so many times after a value, then completes. */
function flaky(failures: number, error: () => unknown = () => new Error('down')) {
  const seen = { subscriptions: 0 }
  const source$ = defer(() => {
    seen.subscriptions += 1
    return seen.subscriptions <= failures ? concat(of('a'), throwError(error)) : of('a', 'b')
  })
  return Object.assign(seen, { source$ })
}

describe('retryWithJitter', () => {
  test('subscribes again after growing delays, and passes all values', async () => {
    const clock = virtualClock()
    const flaking = flaky(2)
    const { events } = recorded(flaking.source$.pipe(retryWithJitter({ jitter: 'none', clock })))
    await clock.advanceBy(999)
    expect(flaking.subscriptions).toBe(1)
    await clock.advanceBy(1)
    expect(flaking.subscriptions).toBe(2)
    await clock.advanceBy(1_999)
    expect(flaking.subscriptions).toBe(2)
    await clock.advanceBy(1)
    expect(events).toEqual(['a', 'a', 'a', 'b', 'complete'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('jitters as the policy says, by the chance that it is given', async () => {
    const clock = virtualClock()
    const delays: number[] = []
    const policy = { jitter: 'full', onRetry: ({ delayMs }: { delayMs: number }) => delays.push(delayMs) } as const
    recorded(flaky(2).source$.pipe(retryWithJitter(policy, { clock, random: seededRandom(7) })))
    await clock.advanceBy(10_000)
    const random = seededRandom(7)
    expect(delays).toEqual([random.next() * 1_000, random.next() * 2_000])
  })

  test('gives up with the last error unchanged, when the attempts are over or it would not help', async () => {
    const clock = virtualClock()
    const error = Object.assign(new Error('bad request'), { status: 400 })
    const final = flaky(9, () => error)
    await expect(clock.runUntil(firstOf(final.source$.pipe(retryWithJitter({ clock }))))).rejects.toBe(error)
    expect(final.subscriptions).toBe(1)
    const failing = flaky(9)
    await expect(clock.runUntil(firstOf(failing.source$.pipe(retryWithJitter({ clock }))))).rejects.toThrow('down')
    expect(failing.subscriptions).toBe(3)
  })

  test('never subscribes again to what an open breaker refused, whatever a classifier insists on', async () => {
    const clock = virtualClock()
    const refusal = new BreakerOpenError({
      breaker: 'smtp',
      mode: 'open',
      retryAfterMs: 1,
      retryAt: 1,
      because: 'it is',
    })
    const refused = flaky(9, () => refusal)
    const policy = { clock, classify: () => ({ retryable: true }) }
    await expect(clock.runUntil(firstOf(refused.source$.pipe(retryWithJitter(policy))))).rejects.toBe(refusal)
    expect(refused.subscriptions).toBe(1)
  })

  test('spends a budget that others share', async () => {
    const clock = virtualClock()
    const budget = retryBudget({ ratio: 0.5, minPerSecond: 0 }, { clock })
    const sources = Array.from({ length: 10 }, () => flaky(9))
    for (const { source$ } of sources) recorded(source$.pipe(retryWithJitter({ budget, clock })))
    await clock.advanceBy(5_000)
    expect(sources.reduce((sum, { subscriptions }) => sum + subscriptions, 0)).toBe(15)
    expect(budget.counts()).toMatchObject({ calls: 10, retries: 5 })
  })

  test('honours Retry-After up to maxDelayMs', async () => {
    const clock = virtualClock()
    const busy = flaky(1, () => Object.assign(new Error('busy'), { status: 503, headers: { 'retry-after': '90' } }))
    recorded(busy.source$.pipe(retryWithJitter({ clock, maxDelayMs: 20_000 })))
    await clock.advanceBy(19_999)
    expect(busy.subscriptions).toBe(1)
    await clock.advanceBy(1)
    expect(busy.subscriptions).toBe(2)
  })

  test('leaves the source at the deadline, with its last error or a TimeoutError', async () => {
    const clock = virtualClock()
    let leftAt: number | undefined
    const hanging = new Observable<never>(() => () => void (leftAt = clock.now()))
    const hung = recorded(hanging.pipe(retryWithJitter({ clock, deadlineMs: 500 })))
    const failing = recorded(flaky(9).source$.pipe(retryWithJitter({ clock, deadlineMs: 500 })))
    await clock.advanceBy(600)
    expect(leftAt).toBe(500)
    expect(hung.events).toEqual([expect.stringMatching(/^error: the call, with its retries, .*500 ms/)])
    expect(failing.events).toEqual(['a', 'error: down'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('ends with the reason of a signal, and leaves no listener', async () => {
    const clock = virtualClock()
    const { signal, abort } = abortable()
    const { events } = recorded(NEVER.pipe(retryWithJitter({ clock, signal })))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    abort(new Error('enough'))
    await clock.settle()
    expect(events).toEqual(['error: enough'])
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('leaves nothing behind when it is left: while it waits, while it is subscribed, within a value', async () => {
    const clock = virtualClock()
    const { signal } = abortable()
    const waiting = recorded(flaky(9).source$.pipe(retryWithJitter({ clock, signal, deadlineMs: 60_000 })))
    const subscribed = recorded(NEVER.pipe(retryWithJitter({ clock, signal, deadlineMs: 60_000 })))
    await clock.settle()
    expect(clock.pendingTimers).toBeGreaterThan(0)
    waiting.subscription.unsubscribe()
    subscribed.subscription.unsubscribe()
    expect(clock.pendingTimers).toBe(0)
    await clock.advanceBy(60_000)
    expect(waiting.events).toEqual(['a'])
    expect(subscribed.events).toEqual([])
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('stops a source that emits without end as it is subscribed to', async () => {
    const clock = virtualClock()
    const endless$ = range(0, Number.POSITIVE_INFINITY).pipe(retryWithJitter({ clock }))
    expect(await firstValueFrom(endless$.pipe(take(3), toArray()))).toEqual([0, 1, 2])
    await clock.settle()
    expect(clock.pendingTimers).toBe(0)
  })

  test('refuses a policy that cannot be meant', () => {
    expect(() => retryWithJitter({ maxAttempts: 0 })).toThrow(/^retryWithJitter\.maxAttempts/)
  })
})

function firstOf(source$: Observable<unknown>): Promise<unknown> {
  return firstValueFrom(source$.pipe(toArray()))
}

function abortable(): { signal: AbortSignal; abort: (reason: unknown) => void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: (reason) => controller.abort(reason) }
}
