import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { retryBudget, retryBudgetLike } from '../../../src/streams/retry/retry-budget.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

const times = (count: number, act: () => unknown) => {
  for (let index = 0; index < count; index += 1) act()
}

function granted(tries: number, budget: { tryRetry(): boolean }): number {
  let count = 0
  times(tries, () => (count += budget.tryRetry() ? 1 : 0))
  return count
}

describe('retryBudget', () => {
  test.each([
    [0, 0],
    [4, 0],
    [5, 1],
    [9, 1],
    [10, 2],
    [100, 20],
  ])('allows for %i calls %i retries, at a fifth', (calls, retries) => {
    const budget = retryBudget({ ratio: 0.2, minPerSecond: 0, windowMs: 1_000 }, { clock: virtualClock() })
    times(calls, () => budget.recordCall())
    expect(granted(1_000, budget)).toBe(retries)
  })

  test('allows ten a second besides, over ten seconds, and a fifth of the calls unless told otherwise', () => {
    const budget = retryBudget({}, { clock: virtualClock() })
    expect(granted(1_000, budget)).toBe(100)
    times(50, () => budget.recordCall())
    expect(granted(1_000, budget)).toBe(10)
    expect(budget.counts()).toEqual({ calls: 50, retries: 110, refused: 1_890 })
  })

  test('forgets what has left the window, calls no later than retries', async () => {
    const clock = virtualClock()
    const budget = retryBudget({ ratio: 0.5, minPerSecond: 0, windowMs: 2_000, clock })
    times(10, () => budget.recordCall())
    expect(granted(10, budget)).toBe(5)
    await clock.advanceBy(1_900)
    expect(budget.counts()).toMatchObject({ calls: 10, retries: 5 })
    await clock.advanceBy(100)
    expect(budget.counts()).toMatchObject({ calls: 0, retries: 5 })
    await clock.advanceBy(100)
    expect(budget.counts()).toMatchObject({ calls: 0, retries: 0 })
  })

  test('is empty again after a long pause, whatever the pause', async () => {
    const clock = virtualClock()
    const budget = retryBudget({ ratio: 1, minPerSecond: 0, windowMs: 100, clock })
    times(7, () => budget.recordCall())
    await clock.advanceBy(1e9)
    expect(budget.counts()).toMatchObject({ calls: 0 })
    expect(budget.tryRetry()).toBe(false)
  })

  test('agrees with a list of all that happened, never allowing more than the whole window does', async () => {
    const happening = fc.record({ afterMs: fc.integer({ min: 0, max: 120 }), calls: fc.nat(20), tries: fc.nat(20) })
    const settings = fc.record({
      ratio: fc.double({ min: 0, max: 1, noNaN: true }),
      minPerSecond: fc.nat(30),
      windowMs: fc.integer({ min: 20, max: 1_000 }),
    })
    await fc.assert(
      fc.asyncProperty(settings, fc.array(happening, { maxLength: 30 }), async (options, happenings) => {
        const clock = virtualClock()
        const budget = retryBudget(options, { clock })
        const calls: number[] = []
        const retries: number[] = []
        const inWindow = (instants: number[]) =>
          instants.filter((at) => at > clock.monotonic() - options.windowMs).length
        for (const { afterMs, calls: newCalls, tries } of happenings) {
          await clock.advanceBy(afterMs)
          times(newCalls, () => {
            budget.recordCall()
            calls.push(clock.monotonic())
          })
          for (let index = 0; index < tries; index += 1) {
            if (!budget.tryRetry()) continue
            retries.push(clock.monotonic())
            const allowed = options.ratio * inWindow(calls) + (options.minPerSecond * options.windowMs) / 1_000
            expect(inWindow(retries)).toBeLessThanOrEqual(allowed)
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  test('has another like it, empty and on another clock, where it was made here', async () => {
    const clock = virtualClock()
    const budget = retryBudget({ ratio: 0, minPerSecond: 4, windowMs: 500 }, { clock: virtualClock() })
    budget.recordCall()
    budget.tryRetry()
    const other = retryBudgetLike(budget, clock)
    expect(other?.counts()).toEqual({ calls: 0, retries: 0, refused: 0 })
    times(3, () => other?.tryRetry())
    expect(other?.counts()).toEqual({ calls: 0, retries: 2, refused: 1 })
    await clock.advanceBy(525)
    expect(other?.counts()).toEqual({ calls: 0, retries: 0, refused: 1 })
    expect(retryBudgetLike({ ...budget }, clock)).toBeUndefined()
  })

  test.each<[object, string]>([
    [{ ratio: -0.1 }, 'retryBudget.ratio'],
    [{ ratio: Infinity }, 'retryBudget.ratio'],
    [{ minPerSecond: -1 }, 'retryBudget.minPerSecond'],
    [{ windowMs: 0 }, 'retryBudget.windowMs'],
    [{ clock: {} }, 'retryBudget.clock'],
    [{ perSecond: 1 }, 'retryBudget.perSecond'],
  ])('refuses %j', (options, path) => {
    expect(() => retryBudget(options)).toThrow(expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path }))
  })
})
