import { expect, test } from 'vitest'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { checkScript } from '../../../src/adapters/redis/limit-scripts.ts'
import { redisWindows } from '../../../src/adapters/redis/limiter.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import type { Limits, LimitStore } from '../../../src/ports/limiter.ts'
import { checkLimits } from '../../../src/ports/limits.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { redisOfFile } from '../../servers/redis-of-file.ts'

const redis = redisOfFile()
let fleets = 0

/** The server's clock is what the test sets it to. */
const testTime = `(function()
  local ms = tonumber(redis.call('GET', 'clock'))
  return { math.floor(ms / 1000), ms % 1000 * 1000 }
end)()`
const startAt = 1_795_000_000_000

function rig(): { fleet: string; storeOf: (limits: Limits) => LimitStore; at: (ms: number) => Promise<unknown> } {
  const fleet = `steps-${(fleets += 1)}`
  const connection = redisConnection({ connection: redis.client }, { clock: systemClock, random: systemRandom }, 'test')
  const check = checkScript(testTime)
  return {
    fleet,
    storeOf: (limits) => redisWindows({ connection, fleet, limits: checkLimits(limits), check }),
    at: (ms) => redis.client.set('clock', startAt + ms),
  }
}

test.each([
  ['less than the window', 60_000, 5_000],
  ['more than the window and 10 s, which is believed', 10_000, 40_000],
])(
  'after a step back by %s, what was refused passes when retryAfterMs are over, and not before',
  async (_what, windowMs, backMs) => {
    const { storeOf, at } = rig()
    const store = storeOf({ email: { limit: 1, windowMs } })
    await at(0)
    await store.check('acme', 'email')
    await at(-backMs)
    const { allowed, retryAfterMs } = await store.check('acme', 'email')
    expect(allowed).toBe(false)
    await at(-backMs + retryAfterMs - 1)
    expect(await store.check('acme', 'email')).toMatchObject({ allowed: false, retryAfterMs: 1 })
    await at(-backMs + retryAfterMs)
    expect(await store.check('acme', 'email')).toMatchObject({ allowed: true })
    expect(await store.check('acme', 'email')).toMatchObject({ allowed: false })
  },
)

test('after a step back, a limit that an override is taken back from is kept until what was granted is over', async () => {
  const { fleet, storeOf } = rig()
  const store = storeOf({ email: { limit: 1, windowMs: 60_000 } })
  await redis.client.set('clock', Date.now() + 8_000)
  await store.check('acme', 'email')
  await store.override('acme', { email: { limit: 2, windowMs: 60_000 } })
  await store.override('acme', { email: null })
  expect(await redis.client.pttl(`sg:${fleet}:rl:{acme}:email`)).toBeGreaterThan(67_000)
})

test('a key that is never without a grant counts on when it is older than its cells can tell', async () => {
  const { storeOf, at } = rig()
  const dayMs = 86_400_000
  const store = storeOf({ email: { limit: 10, windowMs: 31 * dayMs } })
  for (let day = 0; day <= 240; day += 30) {
    await at(day * dayMs)
    expect(await store.check('acme', 'email')).toMatchObject({ limits: [{ remaining: day === 0 ? 9 : 8 }] })
  }
  await at(242 * dayMs)
  expect(await store.peek('acme', 'email')).toMatchObject({ limits: [{ remaining: 9 }] })
})
