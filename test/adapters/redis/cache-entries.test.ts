import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { redisCache, type RedisCacheOptions } from '../../../src/redis.ts'
import type { Cache } from '../../../src/streams/cache/two-tier-cache.ts'
import { startRedis } from '../../servers/start-redis.ts'

let server: Awaited<ReturnType<typeof startRedis>>
let client: Redis
let fleets = 0
const opened: Cache[] = []

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
})

beforeEach(() => {
  fleets += 1
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (cache) => cache.close?.()))
})

afterAll(async () => {
  client.disconnect()
  await server.stop()
})

/** Keeps nothing in process unless it is told to, so that what is in Redis is seen. */
function open(options: Partial<RedisCacheOptions> = {}): Cache {
  const cache = redisCache({ url: server.url, fleet: fleet(), deadlineMs: 5_000, bytesMax: 10, ...options })
  opened.push(cache)
  return cache
}

const fleet = (): string => `entries-${fleets}`
const address = { organization: 'acme', kind: 'stats', key: 'day' }
const tokens = (): string => `sg:${fleet()}:c:{acme}:e`
const entry = (): string => `sg:${fleet()}:c:{acme}:stats:day`

describe('values in Redis', () => {
  const losses: readonly [how: string, lose: () => Promise<unknown>][] = [
    ['were deleted', () => client.del(tokens())],
    ['expired', () => client.pexpire(tokens(), 1).then(() => client.wait(0, 5).then(() => client.del(tokens())))],
    ['of the organization were deleted by hand', () => client.hdel(tokens(), 'all')],
    ['of the scope were deleted by hand', () => client.hdel(tokens(), 'stats')],
    ['were replaced by hand', () => client.hset(tokens(), 'stats', 'x'.repeat(22))],
  ]

  test.each(losses)('are misses when their tokens %s, also once there are new ones', async (_how, lose) => {
    const cache = open()
    await cache.set(address, 'old')
    expect(await cache.get(address)).toBe('old')
    await lose()
    expect(await cache.get(address)).toBeUndefined()
    expect(await cache.wrap({ ...address, key: 'other' }, () => 'makes new tokens')).toBe('makes new tokens')
    expect(await cache.get(address)).toBeUndefined()
    expect(await cache.wrap(address, () => 'new')).toBe('new')
    expect(await cache.get(address)).toBe('new')
  })

  test('that are no entries, or that no codec of ours wrote, are loaded', async () => {
    const cache = open()
    await cache.set(address, 'old')
    const whole = await client.getBuffer(entry())
    for (const bytes of ['', 'v', 'nonsense', whole?.subarray(0, 53) ?? '', whole?.subarray(0, 56) ?? '']) {
      await client.set(entry(), bytes, 'PX', 60_000)
      expect(await cache.get(address)).toBeUndefined()
      expect(await cache.wrap(address, () => 'new')).toBe('new')
    }
  })

  test('whose keys hold something else by hand cost only those who ask for them', async () => {
    const cache = open()
    await client.lpush(`sg:${fleet()}:c:{broken}:e`, 'x')
    for (let read = 0; read < 10; read += 1)
      expect(await cache.wrap({ ...address, organization: 'broken' }, () => read)).toBe(read)
    await cache.set(address, 'there')
    expect(await cache.get(address)).toBe('there')
  })

  test('live as long as their kind says and no longer, under tokens that outlive them', async () => {
    const [brief, long] = [3_000, 172_800_000]
    const kinds = {
      brief: { ttlMs: brief, scope: 'stats' },
      long: { ttlMs: long, scope: 'stats', staleMs: brief },
    } as const
    const cache = open({ kinds })
    await cache.wrap({ ...address, kind: 'brief' }, () => 1)
    const ttlOf = (kind: string): Promise<number> => client.pttl(`sg:${fleet()}:c:{acme}:${kind}:day`)
    expect(await ttlOf('brief')).toBeLessThanOrEqual(brief)
    expect(await client.pttl(tokens())).toBeGreaterThan(brief)
    await cache.wrap({ ...address, kind: 'long' }, () => 1)
    expect(await ttlOf('long')).toBeGreaterThan(0.89 * long)
    expect(await client.pttl(tokens())).toBeGreaterThanOrEqual((await ttlOf('long')) - 1)
    await cache.set({ ...address, kind: 'long', key: 'set' }, 1)
    expect(await client.pttl(tokens())).toBeGreaterThanOrEqual(
      (await client.pttl(`sg:${fleet()}:c:{acme}:long:set`)) - 1,
    )
  })

  test('leave no lease behind', async () => {
    const cache = open()
    await cache.wrap(address, () => 1)
    await cache.wrap({ ...address, key: 'fails' }, () => Promise.reject(new Error('no'))).catch(() => {})
    await cache.get({ ...address, key: 'waits until the lease is given back' })
    expect((await client.keys(`sg:${fleet()}:*`)).filter((key) => key.endsWith(':l'))).toEqual([])
  })

  test('are told of to the others, and are not those of another fleet', async () => {
    const [one, other, stranger] = [open(), open(), open({ fleet: 'elsewhere' })]
    await one.set(address, 1)
    expect([await other.get(address), await stranger.get(address)]).toEqual([1, undefined])
    await stranger.invalidate({ organization: 'acme', scope: 'all' })
    expect(await other.get(address)).toBe(1)
  })

  test('of two organizations whose names collide when they are joined stay apart, and are invalidated apart', async () => {
    const cache = open()
    const names = ['a', 'a}', '{a}', 'a:stats', 'A', 'a%7D', 'a%257D', 'á', 'a\u0301']
    for (const organization of names) await cache.set({ ...address, organization }, organization)
    for (const [index, organization] of names.entries()) {
      await cache.invalidate({ organization, scope: 'all' })
      const left = await Promise.all(names.map((each) => cache.get({ ...address, organization: each })))
      expect(left).toEqual(names.map((each, n) => (n <= index ? undefined : each)))
    }
  })
})
