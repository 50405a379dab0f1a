import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { memoryWindows } from '../../src/adapters/memory/limiter.ts'
import { limitUsage } from '../../src/ports/limit-usage.ts'
import { addUses, type LimitUse } from '../../src/ports/limit-use.ts'
import type { LimitSuggestion } from '../../src/ports/limiter.ts'
import { checkLimits, readNames } from '../../src/ports/limits.ts'
import { suggestLimits } from '../../src/ports/suggest-limits.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { type VirtualClock, virtualClock } from '../../src/testing/virtual-clock.ts'

const limits = { email: { limit: 100, windowMs: 60_000 } }

/** Instances that ask one store and record each for itself. */
function fleetOf(instances: number) {
  const clock = virtualClock()
  const store = memoryWindows({ limits, clock })
  const usages = Array.from({ length: instances }, () => limitUsage(clock.now()))
  const used = new Map<string, LimitUse>()
  return {
    clock,
    store,
    async ask(instance: number, key: string, cost = 1): Promise<void> {
      const asked = readNames([{ name: 'email', cost }], checkLimits(limits))
      usages[instance]?.record(key, asked, await store.check(key, asked), clock.monotonic())
    },
    take(): LimitUse | undefined {
      for (const usage of usages) addUses(used, usage.take(clock.now()))
      return used.values().next().value
    },
    suggestion(): LimitSuggestion | undefined {
      this.take()
      return suggestLimits([...used.values()], { limits: checkLimits(limits), scope: 'fleet', sinceAt: 0 })[0]
    },
  }
}

type Fleet = ReturnType<typeof fleetOf>

/** So many requests in each of 50 windows, each to one of the instances by chance. */
async function load({ clock, ask }: Fleet, instances: number, perWindow: number, seed: number): Promise<void> {
  const random = seededRandom(seed)
  for (let call = 0; call < 50 * perWindow; call += 1) {
    await ask(Math.floor(random.next() * instances), 'acme')
    await clock.advanceBy(limits.email.windowMs / perWindow)
  }
}

describe('what a fleet asks for', () => {
  test.each([1, 2, 4, 10])('is judged as a whole by %d instances, each of which sees a part', async (instances) => {
    const fleet = fleetOf(instances)
    await load(fleet, instances, 60, 7)
    const seen = fleet.suggestion()
    expect(seen).toMatchObject({ asked: 3_000, refused: 0, wouldHaveRefused: 0 })
    expect(seen?.peak).toBeGreaterThanOrEqual(58)
    expect(seen?.peak).toBeLessThanOrEqual(66)
    expect(seen?.suggested).toBeGreaterThanOrEqual(60)
    expect(seen?.suggested).toBeLessThanOrEqual(80)
  })

  test.each([1, 4])('above the limit is judged with what is refused, by %d instances', async (instances) => {
    const fleet = fleetOf(instances)
    await load(fleet, instances, 200, 8)
    const seen = fleet.suggestion()
    expect(seen?.asked).toBe(10_000)
    expect(seen?.refused).toBeGreaterThan(4_500)
    // Rather too little than too much: grants of the window before count as an instance's own.
    expect(seen?.suggested).toBeGreaterThanOrEqual(150)
    expect(seen?.suggested).toBeLessThanOrEqual(290)
  })

  test('is the same sum however often it is taken, and counts each window once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            instance: fc.integer({ min: 0, max: 2 }),
            key: fc.constantFrom('acme', 'globex'),
            cost: fc.integer({ min: 1, max: 120 }),
            afterMs: fc.integer({ min: 0, max: 40_000 }),
            take: fc.boolean(),
          }),
          { minLength: 1, maxLength: 60 },
        ),
        async (steps) => {
          const [often, once] = [fleetOf(3), fleetOf(3)]
          for (const { instance, key, cost, afterMs, take } of steps) {
            for (const fleet of [often, once]) {
              await fleet.ask(instance, key, cost)
              await fleet.clock.advanceBy(afterMs)
            }
            if (take) often.take()
          }
          const [seen, atOnce] = [often.take(), once.take()]
          const sum = (of: Float64Array | undefined): number => [...(of ?? [])].reduce((all, each) => all + each, 0)
          expect(sum(seen?.demands)).toBeCloseTo(
            steps.reduce((all, { cost }) => all + cost, 0),
            6,
          )
          expect(seen?.asked).toBe(atOnce?.asked)
          expect(seen?.refused).toBe(atOnce?.refused)
          expect(sum(seen?.windows)).toBeCloseTo(sum(atOnce?.windows), 6)
          seen?.windows.forEach((each, of) => expect(each).toBeCloseTo(atOnce?.windows[of] ?? NaN, 6))
        },
      ),
      { numRuns: 200 },
    )
  })
})

test('keys with a limit of their own are counted beside, since the limit that is proposed would not hold for them', async () => {
  const fleet = fleetOf(1)
  await fleet.store.override('globex', { email: { limit: 5_000, windowMs: 1_000 } })
  for (let call = 0; call < 10; call += 1) await fleet.ask(0, 'acme')
  for (let call = 0; call < 400; call += 1) await fleet.ask(0, 'globex')
  expect(fleet.suggestion()).toMatchObject({ asked: 10, overridden: 400, peak: 10, suggested: 12, refused: 0 })
})

test('a limit is said to refuse what it refuses, and not what another one does', async () => {
  const clock: VirtualClock = virtualClock()
  const both = checkLimits({ few: { limit: 1, windowMs: 60_000 }, many: { limit: 100, windowMs: 60_000 } })
  const limiter = memoryWindows({ limits: Object.fromEntries(both), clock })
  for (let call = 0; call < 5; call += 1) await limiter.check('acme', ['few', 'many'])
  expect(await limiter.suggest()).toMatchObject([
    { name: 'few', asked: 5, refused: 4, scope: 'instance' },
    { name: 'many', asked: 5, refused: 0 },
  ])
})

test('is recorded for 1,000 keys of a window by themselves, and for more in all', async () => {
  const fleet = fleetOf(1)
  for (let key = 0; key < 3_000; key += 1) await fleet.ask(0, `key-${key}`, 3)
  expect(fleet.suggestion()).toMatchObject({ asked: 9_000, peak: 3, suggested: 4, wouldHaveRefused: 0 })
})
