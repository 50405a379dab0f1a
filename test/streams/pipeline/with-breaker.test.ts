import {
  concat,
  defer,
  firstValueFrom,
  NEVER,
  Observable,
  of,
  range,
  retry,
  Subject,
  take,
  throwError,
  toArray,
} from 'rxjs'
import { describe, expect, test } from 'vitest'
import { BreakerOpenError } from '../../../src/kernel/errors.ts'
import { createSwitchgear } from '../../../src/switchgear.ts'
import { memoryLog } from '../../../src/adapters/memory/event-log.ts'
import type { BreakerOptions } from '../../../src/machines/breaker-options.ts'
import { withBreaker } from '../../../src/streams/pipeline/with-breaker.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { recorded } from './recorded.ts'

async function setUp(options: BreakerOptions = {}) {
  const clock = virtualClock({ startAt: 1_000_000 })
  const random = seededRandom(1)
  const log = memoryLog({ clock, random })
  const gear = createSwitchgear({ clock, random, log, instance: 'a' })
  await clock.runUntil(gear.ready())
  const breaker = gear.breaker('feed', { failureThreshold: 2, recoveryTimeoutMs: 1_000, ...options })
  const trip = async (): Promise<void> => {
    for (let count = 0; count < 2; count += 1) recorded(failing$.pipe(withBreaker(breaker)))
    await clock.advanceBy(60)
    expect(breaker.state.mode).toBe('open')
  }
  const facts = async (): Promise<readonly string[]> => {
    const types: string[] = []
    for await (const { event } of breaker.history()) types.unshift(event.type.split('.').at(-2) ?? '')
    return types
  }
  return { clock, gear, breaker, trip, facts }
}

const failing$ = throwError(() => new Error('down'))

describe('withBreaker', () => {
  test('passes what the source emits, and its end', async () => {
    const { clock, breaker } = await setUp()
    const { events } = recorded(of(1, 2).pipe(withBreaker(breaker)))
    await clock.settle()
    expect(events).toEqual([1, 2, 'complete'])
  })

  test('counts an error before it is passed on: whoever subscribes again at once is refused in time', async () => {
    const { clock, breaker } = await setUp()
    let subscriptions = 0
    const source$ = defer(() => {
      subscriptions += 1
      return failing$
    })
    const { events } = recorded(source$.pipe(withBreaker(breaker), retry(10)))
    await clock.settle()
    expect(subscriptions).toBe(2)
    expect(events).toEqual([expect.stringMatching(/^error: breaker "feed" is open/)])
  })

  test('does not subscribe while the breaker is open', async () => {
    const { clock, breaker, trip } = await setUp()
    await trip()
    const source$ = new Observable<number>(() => expect.unreachable())
    let refused: unknown
    source$.pipe(withBreaker(breaker)).subscribe({ error: (error: unknown) => void (refused = error) })
    await clock.settle()
    expect(refused).toBeInstanceOf(BreakerOpenError)
  })

  test('a value does not make up for an error, and completing does', async () => {
    const { clock, breaker } = await setUp()
    const breaking$ = concat(of(1), failing$)
    recorded(breaking$.pipe(withBreaker(breaker)))
    await clock.settle()
    recorded(of(1).pipe(withBreaker(breaker)))
    await clock.settle()
    recorded(breaking$.pipe(withBreaker(breaker)))
    await clock.settle()
    expect(breaker.state.mode).toBe('closed')
    recorded(breaking$.pipe(withBreaker(breaker)))
    await clock.settle()
    expect(breaker.state.mode).toBe('open')
  })

  test('being left after a value is a success; before one it says nothing', async () => {
    const { clock, breaker } = await setUp()
    recorded(failing$.pipe(withBreaker(breaker)))
    await clock.settle()
    expect(await firstValueFrom(concat(of(1), NEVER).pipe(withBreaker(breaker)))).toBe(1)
    await clock.settle()
    recorded(failing$.pipe(withBreaker(breaker)))
    await clock.settle()
    expect(breaker.state.mode).toBe('closed')
    recorded(NEVER.pipe(withBreaker(breaker))).subscription.unsubscribe()
    await clock.settle()
    recorded(failing$.pipe(withBreaker(breaker)))
    await clock.settle()
    expect(breaker.state.mode).toBe('open')
  })

  test('a subscription claims the probe when it is due, and its first value passes it, though the source never ends', async () => {
    const { clock, breaker, trip, facts } = await setUp()
    await trip()
    await clock.advanceBy(1_200)
    const feed$ = new Subject<number>()
    const { events, subscription } = recorded(feed$.pipe(withBreaker(breaker)))
    await clock.advanceBy(60)
    feed$.next(1)
    await clock.advanceBy(60)
    expect(breaker.state.mode).toBe('closed')
    await clock.advanceBy(120_000)
    feed$.next(2)
    feed$.error(new Error('over'))
    await clock.settle()
    expect(events).toEqual([1, 2, 'error: over'])
    subscription.unsubscribe()
    expect(await facts()).toEqual(['opened', 'probeClaimed', 'closed'])
  })

  test.each([
    ['an error', 'reopened', (feed$: Subject<number>) => feed$.error(new Error('down'))],
    ['completing without a value', 'closed', (feed$: Subject<number>) => feed$.complete()],
    ['the end of its lease', 'reopened', () => {}],
  ])('%s of the probe is %s, exactly once', async (_how, fact, end) => {
    const { clock, breaker, trip, facts } = await setUp({ probe: { leaseMs: 2_000 } })
    await trip()
    await clock.advanceBy(1_200)
    const feed$ = new Subject<number>()
    recorded(feed$.pipe(withBreaker(breaker)))
    await clock.advanceBy(60)
    end(feed$)
    await clock.advanceBy(1_700)
    expect(await facts()).toEqual(['opened', 'probeClaimed', fact])
    expect(feed$.observed).toBe(false)
  })

  test('a probe that is left is released, exactly once', async () => {
    const { clock, breaker, trip, facts } = await setUp()
    await trip()
    await clock.advanceBy(1_200)
    const { events, subscription } = recorded(NEVER.pipe(withBreaker(breaker)))
    await clock.advanceBy(60)
    subscription.unsubscribe()
    subscription.unsubscribe()
    await clock.advanceBy(500)
    expect(events).toEqual([])
    expect(await facts()).toEqual(['opened', 'probeClaimed', 'probeReleased'])
  })

  test("the breaker's timeoutMs ends a subscription that takes longer", async () => {
    const { clock, breaker } = await setUp({ timeoutMs: 100 })
    const feed$ = new Subject<number>()
    const { events } = recorded(feed$.pipe(withBreaker(breaker)))
    feed$.next(1)
    await clock.advanceBy(100)
    expect(events).toEqual([1, expect.stringMatching(/^error: a call through breaker "feed".*100 ms/)])
    expect(feed$.observed).toBe(false)
  })

  test('leaves nothing behind when it is left, and stops a source that never stops by itself', async () => {
    const { clock, gear, breaker } = await setUp({ timeoutMs: 60_000 })
    const before = clock.pendingTimers
    const { subscription } = recorded(NEVER.pipe(withBreaker(breaker)))
    expect(clock.pendingTimers).toBe(before + 1)
    subscription.unsubscribe()
    expect(clock.pendingTimers).toBe(before)
    const endless$ = range(0, Number.POSITIVE_INFINITY).pipe(withBreaker(breaker))
    expect(await firstValueFrom(endless$.pipe(take(2), toArray()))).toEqual([0, 1])
    await clock.runUntil(gear.close())
  })

  test('refuses what is no breaker', () => {
    expect(() => withBreaker({} as never)).toThrow('breaker: expected a breaker: { run(work, { signal }) }')
  })
})
