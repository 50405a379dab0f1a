import { Redis } from 'ioredis'
import { redisLimiter } from 'switchgear/redis'
import { startRedis } from '../test/servers/start-redis.ts'
import { compare, type Bench, type Measured } from './harness.ts'
import { asking, rateLimiterFlexible, upstash } from './limiter-peers.ts'

const large = { limit: 1_000_000, windowMs: 60_000 }

/** What a decision costs beside others that ask the same Redis. */
export const limiterBench: Bench = {
  name: 'limiter',
  what: 'rate of decisions over that of rate-limiter-flexible (one call for each limit), 32 under way',
  async run() {
    const server = await startRedis()
    const client = new Redis(server.url)
    try {
      return [
        ...(await rates(server.url, client)),
        ...(await bytes(server.url, client)),
        await roundTrips(server.url, client),
      ]
    } finally {
      client.disconnect()
      await server.stop()
    }
  },
}

async function rates(url: string, client: Redis): Promise<readonly Measured[]> {
  const limiter = redisLimiter({ url, limits: { a: large, b: large, c: large }, deadlineMs: 10_000 })
  const one = asking(async (key) => granted(await limiter.check(key, 'a')))
  const three = asking(async (key) => granted(await limiter.check(key, ['a', 'b', 'c'])))
  const theirs = upstash(client)
  const measured = [
    ...(await compare({
      baseline: rateLimiterFlexible(client, ['a', 'b', 'c']),
      time: 'wall',
      rows: [{ id: 'threeLimits', what: '3 limits in one call', goal: { atLeast: 1.4 }, ours: three }],
    })),
    ...(await compare({
      baseline: rateLimiterFlexible(client, ['a']),
      time: 'wall',
      rows: [
        {
          id: 'oneLimit',
          what: '1 limit',
          goal: { atLeast: 0.95 },
          ours: one,
          peers: { '@upstash/ratelimit': theirs },
        },
      ],
    })),
    ...(await compare({
      baseline: upstash(client),
      time: 'wall',
      rows: [{ id: 'oneLimitToUpstash', what: '1 limit, to @upstash/ratelimit', goal: { atLeast: 1.3 }, ours: one }],
    })),
  ]
  await limiter.close?.()
  return measured
}

function granted({ allowed, degraded }: { readonly allowed: boolean; readonly degraded: boolean }): boolean {
  return allowed && !degraded
}

/** What a key takes when as much of its window as can be is in use. */
async function bytes(url: string, client: Redis): Promise<readonly Measured[]> {
  const measured: Measured[] = []
  for (const limit of [10, 100, 1_000, 100_000]) {
    const windowMs = limit > 100 ? 600 : 60_000
    const limiter = redisLimiter({
      url,
      fleet: `bytes-${limit}`,
      limits: { a: { limit, windowMs } },
      deadlineMs: 10_000,
    })
    const endAt = performance.now() + (limit > 100 ? windowMs + 100 : 0)
    for (let call = 0; call < limit && (call < 100 || performance.now() < endAt); call += 1)
      await limiter.check('organization', 'a')
    const value = (await client.memory('USAGE', `sg:bytes-${limit}:rl:{organization}:a`)) ?? NaN
    measured.push({
      id: `bytes${limit}`,
      what: `bytes a key, limit ${limit}`,
      goal: { atMost: 800 },
      unit: 'bytes',
      value,
      peers: {},
    })
    await limiter.close?.()
  }
  return measured
}

async function roundTrips(url: string, client: Redis): Promise<Measured> {
  const limiter = redisLimiter({
    url,
    fleet: 'refused',
    limits: { a: { limit: 1, windowMs: 60_000 } },
    deadlineMs: 10_000,
  })
  for (let call = 0; call < 2; call += 1) await limiter.check('organization', 'a')
  const before = await scripts(client)
  const again = await Promise.all(Array.from({ length: 1_000 }, () => limiter.check('organization', 'a')))
  if (again.some(({ allowed }) => allowed)) throw new Error('a request was granted that should not be')
  const value = (await scripts(client)) - before
  await limiter.close?.()
  return {
    id: 'refusedAgain',
    what: 'round trips of 1,000 refused again',
    goal: { atMost: 0 },
    unit: 'count',
    value,
    peers: {},
  }
}

/** Scripts that were run so far. */
async function scripts(client: Redis): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)
}
