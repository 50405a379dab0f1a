import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, test } from 'vitest'
import { memoryWindows } from '../../../src/adapters/memory/limiter.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import type { LimitStore } from '../../../src/ports/limiter.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import type { OnUnavailable } from '../../../src/streams/limiter/guarded-limiter.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { goneStore, limiterOver, limits } from './guarded-limiter-rig.ts'

/** A store that answers after so long. */
function slowStore(clock: Clock, afterMs: number): { store: LimitStore; inner: LimitStore } {
  const inner = memoryWindows({ limits, clock })
  const check: LimitStore['check'] = async (key, names) => {
    await clock.sleep(afterMs)
    return inner.check(key, names)
  }
  return { store: { ...inner, check }, inner }
}

test('an instance that limits by itself lets keys pass that it has no room for', async () => {
  const limiter = limiterOver(goneStore)
  expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, degraded: true })
  expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: false, degraded: true })
  expect(await limiter.check('globex', 'email')).toMatchObject({ allowed: true, degraded: true })
})

test('what was decided is told once, also by an instance that limits by itself', async () => {
  const heard: unknown[] = []
  const listen = (message: unknown): void => void heard.push(message)
  subscribe('switchgear:limit', listen)
  const decision = await limiterOver(goneStore).check('acme', 'email')
  unsubscribe('switchgear:limit', listen)
  expect(heard).toEqual([{ key: 'acme', decision }])
  expect(decision.degraded).toBe(true)
})

test('an override reaches the store also when this instance has no room for one more', async () => {
  const overridden: string[] = []
  const limiter = limiterOver({ ...goneStore, override: async (key) => void overridden.push(key) })
  for (const key of ['acme', 'globex']) await limiter.override(key, { email: { limit: 2, windowMs: 60_000 } })
  expect(overridden).toEqual(['acme', 'globex'])
})

test('an error about one key is answered as the policy says, said once in a while, and no reason to leave the store alone', async () => {
  const clock = virtualClock()
  const said: unknown[] = []
  const inner = memoryWindows({ limits, clock })
  const check: LimitStore['check'] = async (key, names) => {
    if (key === 'sick') throw new Error('WRONGTYPE')
    return inner.check(key, names)
  }
  const logger = { ...silentLogger, warn: (...words: unknown[]) => void said.push(words) }
  const isOutage = (error: unknown): boolean => !(error instanceof Error && error.message === 'WRONGTYPE')
  const limiter = limiterOver({ ...inner, check }, { clock, logger, isOutage, onUnavailable: 'closed' })
  for (let call = 0; call < 10; call += 1)
    expect(await limiter.check('sick', 'email')).toMatchObject({ allowed: false, degraded: true })
  expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, degraded: false })
  expect(said).toEqual([
    [{ err: new Error('WRONGTYPE'), key: 'sick' }, 'the store of the limiter answers, and not about this key'],
  ])
  await clock.advanceBy(60_000)
  await limiter.check('sick', 'email')
  expect(said).toHaveLength(2)
})

test('however many fail at once, the store is asked again after a quarter of a second', async () => {
  const clock = virtualClock()
  const { store } = slowStore(clock, 150)
  let asked = 0
  const check: LimitStore['check'] = async (key, names) => {
    asked += 1
    return store.check(key, names)
  }
  const limiter = limiterOver({ ...store, check }, { clock })
  const atOnce = (calls: number): Promise<unknown> =>
    clock.runUntil(Promise.all(Array.from({ length: calls }, () => limiter.check('acme', 'email'))))
  await atOnce(100)
  expect(asked).toBe(100)
  await clock.advanceBy(250)
  await atOnce(10)
  expect(asked).toBe(101)
})

test.each<[OnUnavailable, number]>([
  ['closed', 1],
  ['open', 0],
  ['local', 0],
])('with %s, %d of what was booked too late is left again', async (onUnavailable, remaining) => {
  const clock = virtualClock()
  const { store, inner } = slowStore(clock, 150)
  const limiter = limiterOver(store, { clock, onUnavailable })
  const decision = await clock.runUntil(limiter.check('acme', 'email'))
  expect(decision).toMatchObject({ allowed: onUnavailable !== 'closed', degraded: true })
  await clock.advanceBy(50)
  expect(await inner.peek('acme', 'email')).toMatchObject({ limits: [{ remaining }] })
  await limiter.refund(decision)
  await clock.advanceBy(0)
  expect(await inner.peek('acme', 'email')).toMatchObject({ limits: [{ remaining: 1 }] })
})

test('a request that passed and is given back before the store answered is given back there, too', async () => {
  const clock = virtualClock()
  const { store, inner } = slowStore(clock, 150)
  const limiter = limiterOver(store, { clock, onUnavailable: 'open' })
  await limiter.refund(await clock.runUntil(limiter.check('acme', 'email')))
  await clock.advanceBy(50)
  expect(await inner.peek('acme', 'email')).toMatchObject({ limits: [{ remaining: 1 }] })
})

/** A store that decides at once and is heard later; it counts how often it is asked. */
function distantStore(clock: Clock, afterMs: number): { store: LimitStore; asked: () => number } {
  const inner = memoryWindows({ limits, clock })
  let asked = 0
  const check: LimitStore['check'] = async (key, names) => {
    asked += 1
    const decision = await inner.check(key, names)
    await clock.sleep(afterMs)
    return decision
  }
  return { store: { ...inner, check }, asked: () => asked }
}

test('a refusal that was under way while the key was reset is not remembered', async () => {
  const clock = virtualClock()
  const limiter = limiterOver(distantStore(clock, 50).store, { clock })
  await clock.runUntil(limiter.check('acme', 'email'))
  const refusal = limiter.check('acme', 'email')
  await clock.advanceBy(10)
  await limiter.reset('acme')
  expect(await clock.runUntil(refusal)).toMatchObject({ allowed: false })
  expect(await clock.runUntil(limiter.check('acme', 'email'))).toMatchObject({ allowed: true, degraded: false })
})

test('a refusal is remembered for a second, and costs no round trip meanwhile', async () => {
  const clock = virtualClock()
  const { store, asked } = distantStore(clock, 0)
  const limiter = limiterOver(store, { clock })
  const check = () => clock.runUntil(limiter.check('acme', 'email'))
  await check()
  for (let call = 0; call < 3; call += 1) expect(await check()).toMatchObject({ allowed: false, degraded: false })
  expect(asked()).toBe(2)
  await clock.advanceBy(999)
  await check()
  expect(asked()).toBe(2)
  await clock.advanceBy(1)
  await check()
  expect(asked()).toBe(3)
})
