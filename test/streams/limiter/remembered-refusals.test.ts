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
