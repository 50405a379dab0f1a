import { getEventListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { virtualClock } from '../../src/testing/virtual-clock.ts'

describe('virtualClock', () => {
  test('stands still until it is told to advance', async () => {
    const clock = virtualClock({ startAt: 1_000 })
    expect([clock.now(), clock.monotonic()]).toEqual([1_000, 0])
    await clock.advanceBy(250.5)
    expect([clock.now(), clock.monotonic()]).toEqual([1_250.5, 250.5])
  })

  test('fires timers in the order of their time, then of their creation, each at its own time', async () => {
    const clock = virtualClock()
    const fired: string[] = []
    const start = (name: string, delayMs: number) =>
      clock.setTimeout(() => fired.push(`${name}@${clock.now()}`), delayMs)
    start('c', 30)
    start('a', 10)
    start('b1', 20)
    start('b2', 20)
    start('late', 31)
    await clock.advanceBy(30)
    expect(fired).toEqual(['a@10', 'b1@20', 'b2@20', 'c@30'])
    expect(clock.pendingTimers).toBe(1)
  })

  test('fires any set of timers as a sorted list would', async () => {
    const delays = fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.boolean()), { maxLength: 200 })
    await fc.assert(
      fc.asyncProperty(delays, async (given) => {
        const clock = virtualClock()
        const fired: number[] = []
        const timers = given.map(([delayMs], index) => clock.setTimeout(() => fired.push(index), delayMs))
        given.forEach(([, isCleared], index) => isCleared && clock.clearTimeout(timers[index] ?? {}))
        const kept = given.flatMap(([delayMs, isCleared], index) => (isCleared ? [] : [{ delayMs, index }]))
        expect(clock.pendingTimers).toBe(kept.length)
        await clock.advanceBy(50)
        expect(fired).toEqual(kept.toSorted((one, other) => one.delayMs - other.delayMs).map(({ index }) => index))
        expect(clock.pendingTimers).toBe(0)
      }),
      { numRuns: 200 },
    )
  })

  test('fires timers that are created while it advances, by timers and by promises', async () => {
    const clock = virtualClock()
    const seen: number[] = []
    const loop = async () => {
      for (;;) {
        await clock.sleep(10)
        await nextTurn()
        await Promise.resolve()
        seen.push(clock.now())
      }
    }
    void loop()
    await clock.advanceBy(35)
    expect(seen).toEqual([10, 20, 30])
    expect(clock.now()).toBe(35)
  })

  test('lets a long chain of promises, ticks and turns settle before the next timer', async () => {
    const clock = virtualClock()
    const order: string[] = []
    const chain = async () => {
      for (let step = 0; step < 10_000; step += 1) await Promise.resolve()
      await new Promise<void>((resolve) => process.nextTick(resolve))
      await nextTurn()
      order.push('the chain')
    }
    clock.setTimeout(() => void chain(), 1)
    clock.setTimeout(() => order.push('the next timer'), 2)
    await clock.advanceBy(2)
    expect(order).toEqual(['the chain', 'the next timer'])
  })

  test('goes on settling while timers are being started', async () => {
    const clock = virtualClock()
    let started = 0
    const work = async () => {
      for (; started < 20; started += 1) {
        await nextTurn()
        clock.clearTimeout(clock.setTimeout(() => {}, 1_000))
      }
    }
    void work()
    await clock.settle()
    expect(started).toBe(20)
  })

  test('forgets a timer that is cleared, and minds nothing that is cleared twice or is not its own', async () => {
    const clock = virtualClock()
    const fire = vi.fn()
    const timer = clock.setTimeout(fire, 5)
    clock.clearTimeout(timer)
    clock.clearTimeout(timer)
    clock.clearTimeout({})
    await clock.advanceBy(10)
    expect(fire).not.toHaveBeenCalled()
    expect(clock.pendingTimers).toBe(0)
  })

  test('sleeps, and stops with the reason of the signal, leaving no timer and no listener', async () => {
    const clock = virtualClock()
    const { signal, abort } = abortable()
    const slept = clock.sleep(10, { signal })
    await clock.advanceBy(10)
    await slept
    const woken = clock.sleep(10, { signal })
    abort('enough')
    await expect(woken).rejects.toBe('enough')
    expect(clock.pendingTimers).toBe(0)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    await expect(clock.sleep(10, { signal })).rejects.toBe('enough')
  })

  test('queues one advance behind the other', async () => {
    const clock = virtualClock()
    const seen: number[] = []
    clock.setTimeout(() => seen.push(clock.now()), 15)
    await Promise.all([clock.advanceBy(10), clock.advanceBy(10)])
    expect(clock.now()).toBe(20)
    expect(seen).toEqual([15])
  })

  test('rejects with what a timer throws, at that moment, and can go on', async () => {
    const clock = virtualClock()
    clock.setTimeout(() => {
      throw new Error('in a timer')
    }, 5)
    await expect(clock.advanceBy(10)).rejects.toThrow('in a timer')
    expect(clock.now()).toBe(5)
    await clock.advanceBy(10)
    expect(clock.now()).toBe(15)
  })

  test.each([-1, Number.NaN, Infinity])('cannot advance by %s', async (ms) => {
    await expect(virtualClock().advanceBy(ms)).rejects.toMatchObject({ code: 'SWITCHGEAR_CONFIG', path: 'ms' })
  })

  test('cannot start at no time', () => {
    expect(() => virtualClock({ startAt: Number.NaN })).toThrow(expect.objectContaining({ path: 'startAt' }))
  })

  test.each([
    [-5, 0],
    [Number.NaN, 0],
    [0, 0],
    [0.5, 0.5],
    [2 ** 31 - 1, 2 ** 31 - 1],
    [2 ** 31, 1],
    [Infinity, 1],
  ])('takes a delay of %s ms for %s, as Node would', async (delayMs, expected) => {
    const clock = virtualClock()
    const fired = new Promise<number>((resolve) => clock.setTimeout(() => resolve(clock.now()), delayMs))
    await clock.advanceBy(expected)
    expect(clock.pendingTimers).toBe(0)
    expect(await fired).toBe(expected)
  })

  test('runs until a promise settles, and gives its value or its error', async () => {
    const clock = virtualClock()
    const late = clock.sleep(86_400_000).then(() => 'done')
    expect(await clock.runUntil(late)).toBe('done')
    expect(clock.now()).toBe(86_400_000)
    await expect(clock.runUntil(Promise.reject(new Error('no')))).rejects.toThrow('no')
  })

  test('says so when what it runs for can never come', async () => {
    const clock = virtualClock()
    const never = new Promise<never>(() => {})
    await expect(clock.runUntil(never)).rejects.toThrow('no timer is left')
    const tick = () => clock.setTimeout(tick, 100)
    tick()
    await expect(clock.runUntil(never, { limitMs: 1_000 })).rejects.toThrow('1000 ms have passed')
  })

  test('keeps no memory of timers that were cleared', async () => {
    const clock = virtualClock()
    const fired: number[] = []
    for (const delayMs of [3, 1, 2]) clock.setTimeout(() => fired.push(delayMs), delayMs)
    for (let index = 0; index < 100_000; index += 1) clock.clearTimeout(clock.setTimeout(() => {}, 1_000 + index))
    expect(clock.pendingTimers).toBe(3)
    await clock.advanceBy(3)
    expect(fired).toEqual([1, 2, 3])
  })

  test('works where a test runner has replaced the timers', async () => {
    vi.useFakeTimers()
    try {
      const clock = virtualClock()
      const slept = clock.sleep(5)
      await clock.advanceBy(5)
      await slept
    } finally {
      vi.useRealTimers()
    }
  })
})

function abortable(): { signal: AbortSignal; abort: (reason: unknown) => void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: (reason) => controller.abort(reason) }
}
