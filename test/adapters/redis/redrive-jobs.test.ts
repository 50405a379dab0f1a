import { expect, test } from 'vitest'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { redisLetters } from '../../../src/adapters/redis/letters.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { jobOf, one, takeFrom } from '../../../src/testing/port-contracts/letter-store-clause.ts'
import { redisOfFile } from '../../servers/redis-of-file.ts'

const dayMs = 86_400_000

const redis = redisOfFile()

test('a job in Redis is kept for a day from when somebody last kept a letter of it', async () => {
  const connection = redisConnection({ url: redis.url }, { clock: systemClock, random: systemRandom }, 'test')
  const store = redisLetters({
    connection,
    fleet: 'slow',
    retentionMs: 30 * dayMs,
    inTime: (ask) => ask(),
    clock: systemClock,
  })
  const job = await jobOf(store, 'j', ['a'], { ratePerSecond: 1 / 200_000 })
  const { turn } = one((await takeFrom(store, job, 1)).work)
  const keys = ['job:j', 'rd:j', 'jobs'].map((name) => `sg:slow:dl:{acme}:${name}`)
  const left = async (): Promise<readonly number[]> => Promise.all(keys.map((key) => redis.client.pttl(key)))
  for (const key of keys) expect(await redis.client.pexpire(key, 60_000)).toBe(1)
  expect(await store.jobs.renew(job, ['1-0 1 a'], 60_000)).toEqual([])
  for (const ms of await left()) expect(ms).toBeLessThanOrEqual(60_000)
  expect(await store.jobs.renew(job, [turn], 60_000)).toEqual([turn])
  for (const ms of await left()) expect(ms).toBeGreaterThan(dayMs - 60_000)
  await store.close?.()
})
