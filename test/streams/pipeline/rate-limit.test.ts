import { concat, firstValueFrom, from, NEVER, of, range, Subject, throwError, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { memoryLimiter } from '../../../src/adapters/memory/limiter.ts'
import { ClosedError, ConfigError, OverCapacityError } from '../../../src/kernel/errors.ts'
import type { Decision, Limiter } from '../../../src/ports/limiter.ts'
import { type NotPassed, rateLimit, type RateLimitOptions } from '../../../src/streams/pipeline/rate-limit.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { recorded } from './recorded.ts'

const limits = { email: { limit: 2, windowMs: 1_000 } }
const keyOf = (item: string): string => item.slice(0, 1)

function setUp() {
  const clock = virtualClock()
  const limiter = memoryLimiter({ limits, clock })
  const asked: string[] = []
  const watched: Pick<Limiter, 'check' | 'refund'> = {
    ...limiter,
    check(key, names) {
      asked.push(key)
      return limiter.check(key, names)
    },
  }
  const limited = (options: Partial<RateLimitOptions<string>> = {}) =>
    rateLimit<string>({ limiter: watched, names: ['email'], key: keyOf, clock, ...options })
  return { clock, limiter, asked, limited }
}

describe('rateLimit', () => {
  test('lets items through as the limit of their key allows; nobody waits for another key', async () => {
    const { clock, limited } = setUp()
    const { events } = recorded(from(['a1', 'a2', 'a3', 'b1', 'a4', 'a5', 'b2']).pipe(limited()))
    await clock.settle()
    expect(new Set(events)).toEqual(new Set(['a1', 'a2', 'b1', 'b2']))
    await clock.advanceBy(1_100)
    expect(events.slice(4)).toEqual(['a3', 'a4'])
    await clock.advanceBy(1_100)
    expect(events.slice(6)).toEqual(['a5', 'complete'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('asks about one item of a key at a time, and when the window is over not for all of them', async () => {
    const { clock, asked, limited } = setUp()
    const source$ = new Subject<string>()
    recorded(source$.pipe(limited()))
    for (let index = 0; index < 100; index += 1) source$.next(`a${index}`)
    await clock.settle()
    expect(asked).toHaveLength(3)
    await clock.advanceBy(1_100)
    expect(asked).toHaveLength(6)
  })

  test("onLimited 'refuse' drops what is over the limit, and says of each why", async () => {
    const { clock, limited } = setUp()
    const refused: unknown[] = []
    const onRefused = (item: string, why: NotPassed): void => {
      refused.push([item, 'allowed' in why && why.retryAfterMs])
      throw new Error('nobody minds')
    }
    const { events } = recorded(of('a1', 'a2', 'a3', 'a4').pipe(limited({ onLimited: 'refuse', onRefused })))
    await clock.settle()
    expect(events).toEqual(['a1', 'a2', 'complete'])
    expect(refused).toEqual([
      ['a3', 1_000],
      ['a4', 1_000],
    ])
    const silent = recorded(of('a5').pipe(limited({ onLimited: 'refuse' })))
    await clock.settle()
    expect(silent.events).toEqual(['complete'])
  })

  test('past maxWaiting the newest of the busiest key goes, to onRefused', async () => {
    const { clock, limited } = setUp()
    const refused: unknown[] = []
    const onRefused = (item: string, why: unknown): unknown => refused.push(item, why)
    const { events } = recorded(from(['a1', 'a2', 'a3', 'a4', 'b1']).pipe(limited({ maxWaiting: 3, onRefused })))
    expect(refused).toEqual(['a4', expect.any(OverCapacityError), 'a3', expect.any(OverCapacityError)])
    await clock.settle()
    expect(new Set(events)).toEqual(new Set(['a1', 'a2', 'b1', 'complete']))
  })

  test('keeps 1,000 waiting where nothing else is said', async () => {
    const { clock, limited } = setUp()
    const refused: string[] = []
    const items = Array.from({ length: 1_003 }, (_, index) => `a${index}`)
    const { subscription } = recorded(
      concat(from(items), NEVER).pipe(limited({ onRefused: (item) => refused.push(item) })),
    )
    expect(refused).toEqual(['a1000', 'a1001', 'a1002'])
    await clock.settle()
    subscription.unsubscribe()
  })

  test('what was to wait and cannot is an error where nobody hears of it', async () => {
    const { clock, limited } = setUp()
    const over = recorded(from(['a1', 'a2', 'a3']).pipe(limited({ maxWaiting: 2 })))
    const dear = recorded(of('b1').pipe(limited({ names: [{ name: 'email', cost: 3 }] })))
    await clock.settle()
    expect(over.events).toEqual(['error: rateLimit: maxWaiting is 2, and it is reached'])
    expect(dear.events).toEqual(['error: "b" is over its rate limit; its cost is above the limit, it can never pass'])
    const endless = recorded(range(0, Number.POSITIVE_INFINITY).pipe(rateLimit({ ...plain(clock), maxWaiting: 5 })))
    expect(endless.events).toEqual(['error: rateLimit: maxWaiting is 5, and it is reached'])
  })

  test('lets through what a broken limiter cannot say', async () => {
    const { clock, limited } = setUp()
    const limiter = { check: () => Promise.reject(new Error('down')), refund: async () => {} }
    const { events } = recorded(of('a1', 'a2', 'a3').pipe(limited({ limiter })))
    await clock.settle()
    expect(events).toEqual(['a1', 'a2', 'a3', 'complete'])
  })

  test('a name or a key that cannot be meant is an error', async () => {
    const { clock, limited } = setUp()
    const named = recorded(of('a1').pipe(limited({ names: 'fax' })))
    const keyed = recorded(
      of('a1').pipe(
        limited({
          key: () => {
            throw new Error('no key')
          },
        }),
      ),
    )
    await clock.settle()
    expect(named.events).toEqual([expect.stringMatching(/^error: .*fax/)])
    expect(keyed.events).toEqual(['error: no key'])
    expect(() => limited({ maxWaiting: 0 })).toThrow(ConfigError)
    expect(() => limited({ key: 7 as never })).toThrow(/^rateLimit\.key: expected a text/)
  })

  test('tells of what waits, however it fails', async () => {
    const { clock, limited } = setUp()
    const refused: [string, NotPassed][] = []
    const onRefused = (item: string, why: NotPassed) => void refused.push([item, why])
    const key = (item: string): string => {
      if (item === 'b1') throw new Error('no key')
      return keyOf(item)
    }
    const source = new Subject<string>()
    const { events } = recorded(source.pipe(limited({ key, onRefused })))
    for (const item of ['a1', 'a2', 'a3']) source.next(item)
    await clock.settle()
    source.next('b1')
    await clock.settle()
    expect(events).toEqual(['a1', 'a2', 'error: no key'])
    expect(refused).toEqual([['a3', expect.any(ClosedError)]])
    expect(clock.pendingTimers).toBe(0)
  })

  test('tells of nothing once it was left', async () => {
    const { clock, limited } = setUp()
    const refused: string[] = []
    const onRefused = (item: string) => void refused.push(item)
    const { subscription } = recorded(of('a1', 'a2').pipe(limited({ names: ['fax'], onRefused })))
    subscription.unsubscribe()
    await clock.settle()
    expect(refused).toEqual([])
  })

  test('gives back what was booked for an item that nobody wants any more', async () => {
    const { clock, limiter, limited } = setUp()
    const { events, subscription } = recorded(of('a1', 'b1').pipe(limited()))
    subscription.unsubscribe()
    await clock.settle()
    expect(events).toEqual([])
    for (const key of ['a', 'b']) {
      const { limits: states } = await limiter.peek(key, 'email')
      expect(states).toMatchObject([{ remaining: 2 }])
    }
  })

  test('an error of the source comes at once, leaves no timer, and what waited is told', async () => {
    const { clock, limited } = setUp()
    const source$ = new Subject<string>()
    const refused: unknown[] = []
    const onRefused = (item: string, why: unknown): unknown => refused.push(item, why)
    const { events } = recorded(source$.pipe(limited({ onRefused })))
    for (const item of ['a1', 'a2', 'a3', 'a4']) source$.next(item)
    await clock.settle()
    expect(clock.pendingTimers).toBe(1)
    source$.next('b1')
    source$.error(new Error('broken'))
    expect(clock.pendingTimers).toBe(0)
    const closed: unknown = expect.any(ClosedError)
    expect(refused).toEqual(['a3', closed, 'a4', closed, 'b1', closed])
    await clock.advanceBy(5_000)
    expect(events).toEqual(['a1', 'a2', 'error: broken'])
    const first = recorded(
      concat(
        of('c1'),
        throwError(() => new Error('broken')),
      ).pipe(limited()),
    )
    await clock.settle()
    expect(first.events).toEqual(['error: broken'])
  })

  test('waits at least a millisecond before it asks again, by a timer that keeps the process alive', async () => {
    const { clock, limiter, limited } = setUp()
    const options: unknown[] = []
    const watched = {
      ...clock,
      setTimeout: (run: () => void, delayMs: number, given?: object) => {
        options.push(delayMs, given)
        return clock.setTimeout(run, delayMs, given)
      },
    }
    const busy = {
      ...limiter,
      check: async (key: string): Promise<Decision> => ({
        ...(await limiter.peek(key, 'email')),
        allowed: false,
        retryAfterMs: 0,
      }),
    }
    const { subscription } = recorded(of('a1').pipe(limited({ limiter: busy, clock: watched })))
    await clock.settle()
    expect(options).toEqual([1, { keepAlive: true }])
    subscription.unsubscribe()
    expect(clock.pendingTimers).toBe(0)
  })

  test('leaves no timer when it is left, also within an emission, and asks nothing more', async () => {
    const { clock, asked, limited } = setUp()
    const { subscription } = recorded(concat(of('a1', 'a2', 'a3', 'b1', 'b2', 'b3'), NEVER).pipe(limited()))
    await clock.settle()
    expect(clock.pendingTimers).toBe(2)
    subscription.unsubscribe()
    expect(clock.pendingTimers).toBe(0)
    const seen: string[] = []
    const leaving = of('c1', 'c2', 'd1')
      .pipe(limited())
      .subscribe((item) => {
        seen.push(item)
        leaving.unsubscribe()
      })
    await clock.advanceBy(5_000)
    expect(seen).toEqual(['c1'])
    expect(asked.filter((key) => key === 'c')).toHaveLength(1)
  })

  test('a source that emits within an emission keeps its order', async () => {
    const { clock, limited } = setUp()
    const source$ = new Subject<string>()
    const seen: string[] = []
    source$.pipe(limited()).subscribe((item) => {
      seen.push(item)
      if (item === 'a1') source$.next('a3')
      if (item === 'a3') source$.complete()
    })
    source$.next('a1')
    source$.next('a2')
    await clock.advanceBy(1_100)
    expect(seen).toEqual(['a1', 'a2', 'a3'])
  })

  test('waits no longer than a minute before it asks again, since the limit may have been raised', async () => {
    const clock = virtualClock()
    const limiter = memoryLimiter({ limits: { email: { limit: 1, windowMs: 3_600_000 } }, clock })
    const { events } = recorded(of('a1', 'a2').pipe(rateLimit({ limiter, names: 'email', key: 'acme' }, { clock })))
    await clock.advanceBy(1_000)
    await limiter.override('acme', { email: { limit: 5, windowMs: 3_600_000 } })
    await clock.advanceBy(59_000)
    expect(events).toEqual(['a1', 'a2', 'complete'])
  })

  test('keeps the order of each key, whatever the limiter does', async () => {
    const { clock, limited } = setUp()
    const items = Array.from(
      { length: 60 },
      (_, index) => `${'abc'.charAt(index % 3)}${String(index).padStart(2, '0')}`,
    )
    const all = await clock.runUntil(firstValueFrom(from(items).pipe(limited(), toArray())))
    expect(all.toSorted()).toEqual(items.toSorted())
    for (const key of 'abc') {
      const ofKey = (item: string): boolean => item.startsWith(key)
      expect(all.filter(ofKey)).toEqual(items.filter(ofKey))
    }
  })
})

function plain(clock: ReturnType<typeof virtualClock>) {
  return { limiter: memoryLimiter({ limits, clock }), names: 'email', key: 'acme', clock }
}
