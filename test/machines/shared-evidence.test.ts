import { createSwitchgear, memoryLog, type BreakerOptions } from 'switchgear'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { virtualClock } from '../../src/testing/virtual-clock.ts'

const instances = 50
const options: BreakerOptions = { failureThreshold: false, failureRate: { over: { calls: 20 }, threshold: 0.5 } }

/** Each instance makes a call a second; the dependency dies after half a minute. How long until the first trips, in ms. */
async function detectMs(breaker: BreakerOptions, errorRate = 0): Promise<{ ms: number; broadcasts: number }> {
  const clock = virtualClock()
  const random = seededRandom(11)
  const inner = memoryLog({ clock, random, latencyMs: { min: 1, max: 5 } })
  let broadcasts = 0
  const log: typeof inner = {
    join(member, follower) {
      const membership = inner.join(member, follower)
      const broadcast = (channel: string, data: Uint8Array): void => {
        broadcasts++
        membership.broadcast(channel, data)
      }
      return { ...membership, broadcast }
    },
  }
  const gears = Array.from({ length: instances }, (_, i) => createSwitchgear({ instance: `i${i}`, log, clock, random }))
  const breakers = gears.map((gear) => gear.breaker('smtp', breaker))
  let dead = false
  let trippedAt: number | undefined
  for (const gear of gears) {
    gear.transitions$.subscribe(({ to }) => {
      if (to === 'open') trippedAt ??= clock.monotonic()
    })
  }
  const call = async (): Promise<void> => {
    if (dead || random.next() < errorRate) throw new Error('down')
  }
  async function second(): Promise<void> {
    for (const guarded of breakers) {
      await guarded.run(call).catch(() => {})
      await clock.advanceBy(1_000 / instances)
    }
  }
  for (let i = 0; i < 30; i++) await second()
  expect(trippedAt).toBeUndefined()
  dead = true
  const diedAt = clock.monotonic()
  const before = broadcasts
  while (trippedAt === undefined && clock.monotonic() < diedAt + 60_000) await second()
  await Promise.all(gears.map((gear) => gear.close()))
  expect(clock.pendingTimers).toBe(0)
  return { ms: (trippedAt ?? Infinity) - diedAt, broadcasts: before }
}

test('with thin traffic, shared evidence finds a dead dependency more than ten times sooner', async () => {
  const alone = await detectMs(options)
  const together = await detectMs({ ...options, sharedEvidence: true })
  console.info(`detected after ${alone.ms} ms alone, ${together.ms} ms together`)
  expect(together.ms * 10).toBeLessThan(alone.ms)
})

test('a healthy fleet is silent', async () => {
  const { broadcasts } = await detectMs({ ...options, sharedEvidence: true })
  expect(broadcasts).toBe(0)
})

test('an error now and then opens nobody, since the good news is told as well', async () => {
  const { broadcasts, ms } = await detectMs({ ...options, sharedEvidence: true }, 0.05)
  expect(broadcasts).toBeGreaterThan(0)
  expect(ms).toBeLessThan(2_000)
})
