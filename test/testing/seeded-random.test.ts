import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/testing/seeded-random.ts'

const draw = (seed: number, count: number) => {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => random.next())
}

describe('seededRandom', () => {
  test('gives the same sequence for the same seed, for ever', () => {
    expect(draw(42, 1_000)).toEqual(draw(42, 1_000))
    expect(draw(42, 3)).toMatchInlineSnapshot(`
      [
        0.00837729370836704,
        0.11098573592951533,
        0.9207108275996662,
      ]
    `)
  })

  test.each([
    [0, 1],
    [1, 2],
    [1, -1],
    [1, 2 ** 32 + 1],
    [1, 1.5],
    [0, Number.MAX_SAFE_INTEGER],
  ])('gives other sequences for the seeds %d and %d', (one, other) => {
    const [first, second] = [draw(one, 100), draw(other, 100)]
    expect(first.filter((value) => second.includes(value))).toEqual([])
  })

  test('stays in [0, 1), and fills it evenly', () => {
    const buckets = new Uint32Array(100)
    const random = seededRandom(7)
    const count = 1_000_000
    let sum = 0
    for (let index = 0; index < count; index += 1) {
      const value = random.next()
      if (!(value >= 0 && value < 1)) expect.unreachable(`${value} is outside`)
      sum += value
      buckets[Math.floor(value * 100)] = (buckets[Math.floor(value * 100)] ?? 0) + 1
    }
    expect(Math.abs(sum / count - 0.5)).toBeLessThan(0.001)
    // Chi-square with 99 degrees of freedom: beyond 160 once in ten thousand.
    const expected = count / 100
    expect(buckets.reduce((chi, seen) => chi + (seen - expected) ** 2 / expected, 0)).toBeLessThan(160)
  })

  test('is even over neighbouring seeds too, in the first draw', () => {
    const firsts = Array.from({ length: 10_000 }, (_, seed) => seededRandom(seed).next())
    const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.01)
    expect(new Set(firsts).size).toBe(firsts.length)
  })

  test.each([Number.NaN, Infinity])('takes no %s for a seed', (seed) => {
    expect(() => seededRandom(seed)).toThrow(expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path: 'seed' }))
  })
})
