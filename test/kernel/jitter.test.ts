import { expect, test } from 'vitest'
import { growingDelay } from '../../src/kernel/jitter.ts'

const delay = { baseMs: 100, maxMs: 1_000, multiplier: 2, jitter: 'decorrelated' } as const

test.each([
  [0, 100],
  [0.5, 1_000],
])('a delay before that was endless counts as the ceiling, at chance %d', (chance, delayMs) => {
  expect(growingDelay(delay, 1, chance, Infinity)).toBe(delayMs)
})

test('a delay before that nobody knows was as long as this one is without jitter', () => {
  expect([0, 1, 2, 3].map((step) => growingDelay(delay, step, 0.25))).toEqual([150, 225, 375, 675])
})
