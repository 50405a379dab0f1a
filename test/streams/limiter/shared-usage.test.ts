import { describe, expect, test } from 'vitest'
import { memoryWindows } from '../../../src/adapters/memory/limiter.ts'
import { UnavailableError } from '../../../src/kernel/errors.ts'
import { addUses, type LimitUse, type UsageBatch, type UsageStore } from '../../../src/ports/limit-use.ts'
import { checkLimits } from '../../../src/ports/limits.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import type { Random } from '../../../src/ports/random.ts'
import { guardedLimiter } from '../../../src/streams/limiter/guarded-limiter.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { limiterOver } from './guarded-limiter-rig.ts'

const limits = { email: { limit: 100, windowMs: 60_000 } }

/** An instance, and a store of use that does as it is told. */
function rig(random: Random = seededRandom(3)) {
  const clock = virtualClock()
  const batches: UsageBatch[] = []
  const taken = new Map<string, UsageBatch>()
  const said: unknown[] = []
  const state = { does: 'answer' as 'answer' | 'slow' | 'hang' | 'fail' | 'take and fail' }
  const usage: UsageStore = {
    async add(batch) {
      batches.push(batch)
      if (state.does === 'hang') return new Promise<never>(() => {})
      if (state.does === 'slow') await clock.sleep(30)
      if (state.does !== 'fail') taken.set(batch.id, batch)
      if (state.does !== 'answer' && state.does !== 'slow') throw new UnavailableError('Redis', 'it is gone')
      return undefined
    },
    async read() {
      const all = new Map<string, LimitUse>()
      for (const { uses } of taken.values()) addUses(all, uses)
      return [...all.values()]
    },
  }
  const limiter = guardedLimiter(memoryWindows({ limits, clock }), {
    limits: checkLimits(limits),
    deadlineMs: 100,
    onUnavailable: 'open',
    local: memoryWindows({ limits, clock }),
    clock,
    random,
    logger: { ...silentLogger, warn: (...words: unknown[]): void => void said.push(words) },
    usage,
  })
  return { clock, batches, said, state, limiter, check: () => limiter.check('acme', 'email') }
}

describe('what limits are used for', () => {
  test('is told once within 10 s of something new, and nothing is told where there is nothing new', async () => {
    const { clock, batches, check } = rig()
    await clock.advanceBy(60_000)
    expect([batches.length, clock.pendingTimers]).toEqual([0, 0])
    for (let call = 0; call < 50; call += 1) await check()
    expect(clock.pendingTimers).toBe(1)
    await clock.advanceBy(10_000)
    expect(batches).toMatchObject([{ uses: [{ name: 'email', asked: 50, peak: 50 }] }])
    await clock.advanceBy(60_000)
    expect([batches.length, clock.pendingTimers]).toEqual([1, 0])
  })

  test('keeps no request waiting while the store hangs, and is not told again meanwhile', async () => {
    const { clock, batches, state, check } = rig()
    state.does = 'hang'
    for (let minute = 0; minute < 3; minute += 1) {
      const startedAt = clock.monotonic()
      expect(await check()).toMatchObject({ allowed: true, degraded: false })
      expect(clock.monotonic()).toBe(startedAt)
      await clock.advanceBy(60_000)
    }
    expect(batches).toHaveLength(1)
  })

  test('is told again as it was when the answer was lost, so that it counts once', async () => {
    const { clock, batches, state, limiter, check } = rig()
    state.does = 'take and fail'
    await check()
    await clock.advanceBy(10_000)
    await check()
    state.does = 'answer'
    await clock.advanceBy(30_000)
    expect(new Set(batches.map(({ id }) => id)).size).toBe(2)
    expect(await limiter.suggest()).toMatchObject([{ scope: 'fleet', asked: 2, peak: 2 }])
  })

  test('is kept while the store is away, told when it is back, and asked for meanwhile it is what this instance knows', async () => {
    const { clock, state, limiter, check } = rig()
    state.does = 'fail'
    for (let call = 0; call < 5; call += 1) {
      await check()
      await clock.advanceBy(20_000)
    }
    expect(await clock.runUntil(limiter.suggest())).toMatchObject([{ scope: 'instance', asked: 5 }])
    state.does = 'answer'
    await clock.advanceBy(20_000)
    expect(clock.pendingTimers).toBe(0)
    expect(await limiter.suggest()).toMatchObject([{ scope: 'fleet', asked: 5 }])
  })

  test('is told at close, within the deadline, and no timer is left', async () => {
    const { clock, batches, limiter, check } = rig()
    await check()
    await limiter.close?.()
    expect(batches).toMatchObject([{ uses: [{ asked: 1 }] }])
    expect(clock.pendingTimers).toBe(0)
    const other = rig()
    other.state.does = 'hang'
    await other.check()
    const startedAt = other.clock.monotonic()
    await other.clock.runUntil(Promise.resolve(other.limiter.close?.()))
    expect(other.clock.monotonic() - startedAt).toBeLessThanOrEqual(100)
    expect(other.clock.pendingTimers).toBe(0)
  })

  test('is told half of 10 s after something new, or up to all of it, as chance will have it', async () => {
    const { clock, batches, check } = rig({ next: () => 0.5 })
    await check()
    await clock.advanceBy(7_499)
    expect(batches).toEqual([])
    await clock.advanceBy(1)
    expect(batches).toHaveLength(1)
  })

  test('is told again, and at close, though there is nothing new; that it cannot be shared is said', async () => {
    const { clock, batches, said, state, limiter, check } = rig()
    state.does = 'fail'
    await check()
    await clock.advanceBy(20_000)
    expect(batches.length).toBeGreaterThanOrEqual(2)
    expect(said).toEqual([
      [{ err: new UnavailableError('Redis', 'it is gone') }, 'what limits are used for cannot be shared'],
    ])
    const before = batches.length
    state.does = 'answer'
    await limiter.close?.()
    expect(batches.length).toBe(before + 1)
    expect(new Set(batches.map(({ id }) => id)).size).toBe(1)
  })

  test('is not told where there is nothing to tell, nor after close', async () => {
    const { clock, batches, limiter, check } = rig()
    expect(await limiter.suggest()).toMatchObject([{ scope: 'fleet', asked: 0 }])
    await limiter.close?.()
    await check()
    expect([batches, clock.pendingTimers]).toEqual([[], 0])
  })

  test('is read with what came while it was being told', async () => {
    let draws = -1
    const { clock, batches, state, limiter, check } = rig({ next: () => (draws += 1) / 1_000 })
    state.does = 'slow'
    await check()
    await clock.advanceBy(5_000)
    expect(batches).toHaveLength(1)
    await check()
    expect(await clock.runUntil(limiter.suggest())).toMatchObject([{ scope: 'fleet', asked: 2 }])
  })
})

test('a limiter whose use nobody shares has no timer', async () => {
  const clock = virtualClock()
  const limiter = limiterOver(memoryWindows({ limits, clock }), { clock, limits: checkLimits(limits) })
  await limiter.check('acme', 'email')
  expect(clock.pendingTimers).toBe(0)
  await clock.advanceBy(10_000)
  expect(await limiter.suggest()).toMatchObject([{ scope: 'instance', asked: 1 }])
  await limiter.close?.()
})
