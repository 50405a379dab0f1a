import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Jitter } from '../../../src/kernel/jitter.ts'
import { backoff } from '../../../src/streams/retry/backoff.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const chance = (value: number) => ({ random: { next: () => value } })
const almostOne = 1 - 2 ** -53
const five = [1, 2, 3, 4, 5]

describe('backoff', () => {
  test('doubles from 1 s to the ceiling of 60 s unless told otherwise', () => {
    const delay = backoff({ jitter: 'none' })
    expect([1, 2, 3, 4, 5, 6, 7, 8].map((attempt) => delay(attempt))).toEqual([
      1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000,
    ])
  })

  test('spreads by ±10 % unless told otherwise', () => {
    expect(backoff({}, chance(0))(1)).toBeCloseTo(900)
    expect(backoff({}, chance(0.5))(1)).toBe(1_000)
    expect(backoff({}, chance(almostOne))(1)).toBeCloseTo(1_100)
  })

  test.each<[Jitter, number[], number[]]>([
    ['none', [100, 300, 900, 1_000, 1_000], [100, 300, 900, 1_000, 1_000]],
    ['full', [0, 0, 0, 0, 0], [100, 300, 900, 1_000, 1_000]],
    ['equal', [50, 150, 450, 500, 500], [100, 300, 900, 1_000, 1_000]],
    [{ ratio: 0.5 }, [50, 150, 450, 500, 500], [150, 450, 1_000, 1_000, 1_000]],
    [{ ratio: 0 }, [100, 300, 900, 1_000, 1_000], [100, 300, 900, 1_000, 1_000]],
  ])('with jitter %j goes from %j to %j, and never above the ceiling', (jitter, lowest, highest) => {
    const policy = { baseDelayMs: 100, maxDelayMs: 1_000, multiplier: 3, jitter }
    const [low, high] = [backoff(policy, chance(0)), backoff(policy, chance(almostOne))]
    five.forEach((attempt, index) => {
      expect(low(attempt)).toBeCloseTo(lowest[index] ?? Number.NaN)
      expect(high(attempt)).toBeCloseTo(highest[index] ?? Number.NaN)
    })
  })

  test('decorrelated goes from the base to three times the delay before', () => {
    const policy = { baseDelayMs: 100, maxDelayMs: 1_000, jitter: 'decorrelated' } as const
    expect(backoff(policy, chance(0))(5, 200)).toBe(100)
    expect(backoff(policy, chance(almostOne))(1)).toBeCloseTo(300)
    expect(backoff(policy, chance(almostOne))(2, 200)).toBeCloseTo(600)
    expect(backoff(policy, chance(almostOne))(3, 900)).toBe(1_000)
  })

  test.each([Number.NaN, -1, 0, 0.5])('takes attempt %s for the first', (attempt) => {
    expect(backoff({ jitter: 'none' })(attempt)).toBe(1_000)
  })

  test('takes a previous delay that cannot be meant for the base', () => {
    const delay = backoff({ jitter: 'decorrelated' }, chance(0.5))
    expect(delay(2, Number.NaN)).toBe(delay(2))
    expect(delay(2, -1)).toBe(delay(2))
    expect(delay(2, 0)).toBe(1_000)
  })

  test('is finite and within the ceiling for any attempt and any policy', () => {
    const policies = fc.record({
      baseDelayMs: fc.double({ min: 0.001, max: 2 ** 31 - 1, noNaN: true }),
      maxDelayMs: fc.double({ min: 0.001, max: 2 ** 31 - 1, noNaN: true }),
      multiplier: fc.oneof(fc.constant(1), fc.double({ min: 1, max: 1e300, noNaN: true })),
      jitter: fc.oneof(
        fc.constantFrom('none', 'full', 'equal', 'decorrelated' as const),
        fc.record({ ratio: fc.double({ min: 0, max: 1, noNaN: true }) }),
      ),
    })
    const attempts = fc.oneof(fc.integer(), fc.constantFrom(1_000_000, Number.MAX_SAFE_INTEGER, Infinity, Number.NaN))
    const previous = fc.option(fc.double(), { nil: undefined })
    fc.assert(
      fc.property(policies, attempts, previous, fc.integer(), (policy, attempt, previousDelayMs, seed) => {
        const delayMs = backoff(policy, { random: seededRandom(seed) })(attempt, previousDelayMs)
        expect(Number.isFinite(delayMs)).toBe(true)
        expect(delayMs).toBeGreaterThanOrEqual(0)
        expect(delayMs).toBeLessThanOrEqual(policy.maxDelayMs)
      }),
      { numRuns: 1_000 },
    )
  })

  test.each<[object, string]>([
    [{ baseDelayMs: 0 }, 'backoff.baseDelayMs'],
    [{ baseDelayMs: -1 }, 'backoff.baseDelayMs'],
    [{ baseDelayMs: '1s' }, 'backoff.baseDelayMs'],
    [{ maxDelayMs: Infinity }, 'backoff.maxDelayMs'],
    [{ maxDelayMs: 2 ** 31 }, 'backoff.maxDelayMs'],
    [{ multiplier: 0.9 }, 'backoff.multiplier'],
    [{ multiplier: Number.NaN }, 'backoff.multiplier'],
    [{ jitter: 'some' }, 'backoff.jitter'],
    [{ jitter: { ratio: 1.1 } }, 'backoff.jitter.ratio'],
    [{ random: {} }, 'backoff.random'],
    [{ base: 1 }, 'backoff.base'],
  ])('refuses %j', (policy, path) => {
    expect(() => backoff(policy)).toThrow(expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path }))
  })
})
