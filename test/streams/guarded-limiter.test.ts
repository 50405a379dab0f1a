import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, test } from 'vitest'
import { memoryWindows } from '../../src/adapters/memory/limiter.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import type { Limiter, LimitStore } from '../../src/ports/limiter.ts'
import { checkLimits } from '../../src/ports/limits.ts'
import { silentLogger } from '../../src/ports/logger.ts'
import { guardedLimiter } from '../../src/streams/guarded-limiter.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { virtualClock } from '../../src/testing/virtual-clock.ts'

const limits = { email: { limit: 1, windowMs: 60_000 } }

const gone = (): Promise<never> => Promise.reject(new UnavailableError('Redis', 'it is gone'))
const goneStore: LimitStore = { check: gone, peek: gone, refund: gone, reset: gone, override: gone }

/** It has room for one key while it limits by itself. */
function limiterOver(store: LimitStore): Limiter {
  const clock = virtualClock()
  return guardedLimiter(store, {
    limits: checkLimits(limits),
    deadlineMs: 100,
    onUnavailable: 'local',
    local: memoryWindows({ limits, keysMax: 1, clock }),
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  })
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
