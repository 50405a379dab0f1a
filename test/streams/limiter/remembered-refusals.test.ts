import { expect, test } from 'vitest'
import { makeDecision } from '../../../src/ports/decision.ts'
import { rememberedRefusals } from '../../../src/streams/limiter/remembered-refusals.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

const refusal = makeDecision({ allowed: false, degraded: false, retryAfterMs: 60_000, limits: [] })
const asking = (cost: number) => [{ name: 'email', cost, definition: { limit: 1, windowMs: 60_000 } }]

test('no more than 10,000 refusals are remembered in all, and the oldest keys make room', () => {
  const refusals = rememberedRefusals(virtualClock())
  for (let key = 0; key < 200; key += 1)
    for (let cost = 1; cost <= 60; cost += 1) refusals.add(`key-${key}`, asking(cost), refusal)
  let remembered = 0
  for (let key = 0; key < 200; key += 1)
    for (let cost = 1; cost <= 60; cost += 1) if (refusals.get(`key-${key}`, asking(cost))) remembered += 1
  expect(remembered).toBeLessThanOrEqual(10_000)
  expect(remembered).toBeGreaterThan(9_900)
  expect(refusals.get('key-0', asking(1))).toBeUndefined()
  expect(refusals.get('key-199', asking(60))).toBeDefined()
})

test('one key with all of them keeps the newest, and what is forgotten or over makes room for others', async () => {
  const clock = virtualClock()
  const refusals = rememberedRefusals(clock)
  for (let cost = 1; cost <= 10_001; cost += 1) refusals.add('acme', asking(cost), refusal)
  expect(refusals.get('acme', asking(10_001))).toBeDefined()
  refusals.forget('acme')
  for (let key = 0; key < 10_000; key += 1) refusals.add(`key-${key}`, asking(1), refusal)
  expect(refusals.get('key-0', asking(1))).toBeDefined()
  await clock.advanceBy(1_000)
  expect(refusals.get('key-0', asking(1))).toBeUndefined()
  refusals.add('key-0', asking(1), refusal)
  expect(refusals.get('key-0', asking(1))).toBeDefined()
})

test('exactly 10,000 are remembered: of one more, the oldest is not', () => {
  const refusals = rememberedRefusals(virtualClock())
  const isKept = (key: number): boolean => refusals.get(`key-${key}`, asking(1)) !== undefined
  for (let key = 0; key < 10_000; key += 1) refusals.add(`key-${key}`, asking(1), refusal)
  expect([isKept(0), isKept(9_999)]).toEqual([true, true])
  refusals.add('key-10000', asking(1), refusal)
  expect([isKept(0), isKept(1), isKept(10_000)]).toEqual([false, true, true])
  refusals.forget('key-5')
  refusals.add('key-10001', asking(1), refusal)
  expect([isKept(1), isKept(10_001)]).toEqual([true, true])
})

test('what is remembered again, or is over, takes no place of another', async () => {
  const clock = virtualClock()
  const refusals = rememberedRefusals(clock)
  const isKept = (key: number): boolean => refusals.get(`key-${key}`, asking(1)) !== undefined
  refusals.add('key-0', asking(1), makeDecision({ ...refusal, retryAfterMs: 10 }))
  for (let key = 1; key < 10_000; key += 1) refusals.add(`key-${key}`, asking(1), refusal)
  for (let again = 0; again < 3; again += 1) refusals.add('key-9999', asking(1), refusal)
  expect([isKept(0), isKept(1)]).toEqual([true, true])
  await clock.advanceBy(10)
  expect(isKept(0)).toBe(false)
  refusals.add('key-10000', asking(1), refusal)
  expect(isKept(1)).toBe(true)
  refusals.add('key-10001', asking(1), refusal)
  expect([isKept(1), isKept(2)]).toEqual([false, true])
})

test('one request of a key that is over leaves the others', async () => {
  const clock = virtualClock()
  const refusals = rememberedRefusals(clock)
  refusals.add('acme', asking(1), makeDecision({ ...refusal, retryAfterMs: 10 }))
  refusals.add('acme', asking(2), refusal)
  await clock.advanceBy(10)
  expect(refusals.get('acme', asking(1))).toBeUndefined()
  expect(refusals.get('acme', asking(2))).toBeDefined()
})

test('later on it is the same refusal, so much later, in whole milliseconds', async () => {
  const clock = virtualClock()
  const refusals = rememberedRefusals(clock)
  const limit = { name: 'email', limit: 1, remaining: 0, windowMs: 60_000, exceeded: true }
  const limits = [59_000, 100].map((resetMs) => ({ ...limit, resetMs }))
  refusals.add('acme', asking(1), makeDecision({ ...refusal, limits }))
  await clock.advanceBy(250.5)
  expect({ ...refusals.get('acme', asking(1)) }).toEqual({
    allowed: false,
    degraded: false,
    retryAfterMs: 59_750,
    limits: [
      { ...limit, resetMs: 58_750 },
      { ...limit, resetMs: 0 },
    ],
  })
})

test('whoever asked before something was forgotten can see that it was', () => {
  const refusals = rememberedRefusals(virtualClock())
  refusals.forget('acme')
  refusals.forget('acme')
  expect(refusals.generation).toBe(2)
})
