import { once } from 'node:events'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import type { Limiter } from '../../../src/ports/limiter.ts'
import { redisLimiter, type RedisLimiterOptions } from '../../../src/redis.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import { redisOfFile } from '../../servers/redis-of-file.ts'
import { until } from '../../servers/until.ts'

const limits = {
  email: { limit: 3, windowMs: 3_600_000 },
  'a:b{c}%': { limit: 3, windowMs: 3_600_000 },
  large: { limit: 100_000, windowMs: 60_000 },
}

const redis = redisOfFile()
let fleets = 0

/** Two instances of a fleet of their own. */
async function instances(use: (one: Limiter, other: Limiter, fleet: string) => Promise<void>): Promise<void> {
  const fleet = `fleet-${(fleets += 1)}`
  // The machine may be busy: what these tests are about is what Redis decides.
  const options: RedisLimiterOptions = { url: redis.url, fleet, limits, deadlineMs: 60_000 }
  const [one, other] = [redisLimiter(options), redisLimiter(options)]
  try {
    await use(one, other, fleet)
  } finally {
    await Promise.all([one.close?.(), other.close?.()])
  }
}

describe('rate limits in Redis', () => {
  test('are shared by all instances of a fleet, and by nobody else', async () => {
    await instances(async (one, other) => {
      for (const remaining of [2, 1, 0])
        expect(await one.check('acme', 'email')).toMatchObject({ allowed: true, limits: [{ remaining }] })
      expect(await other.check('acme', 'email')).toMatchObject({ allowed: false, degraded: false })
      await instances(async (stranger) =>
        expect(await stranger.check('acme', 'email')).toMatchObject({ allowed: true }),
      )
    })
  })

  test('are in one round trip, however many limits are asked for, and a remembered refusal is in none', async () => {
    await instances(async (one) => {
      await one.check('acme', 'email')
      const monitor = await redis.client.monitor()
      const seen: string[] = []
      monitor.on('monitor', (_time: string, args: readonly string[], source: string) => {
        if (source !== 'lua') seen.push(String(args[0]).toLowerCase())
      })
      await one.check('acme', ['email', 'a:b{c}%', 'large'])
      await one.check('acme', [{ name: 'email', cost: 2 }])
      for (let call = 0; call < 100; call += 1)
        expect(await one.check('acme', [{ name: 'email', cost: 2 }])).toMatchObject({ allowed: false })
      await redis.client.echo('end')
      await until('the monitor to see the end', () => seen.includes('echo') || undefined)
      monitor.disconnect()
      expect(seen).toEqual(['evalsha', 'evalsha', 'echo'])
    })
  })

  test('forget a refusal at once when this instance gives back, resets or overrides, within a second otherwise', async () => {
    await instances(async (one, other) => {
      const [first] = [await one.check('acme', [{ name: 'email', cost: 3 }]), await one.check('acme', 'email')]
      await one.refund(first)
      expect(await one.check('acme', 'email')).toMatchObject({ allowed: true, limits: [{ remaining: 2 }] })
      expect(await one.check('acme', [{ name: 'email', cost: 3 }])).toMatchObject({ allowed: false })
      await one.override('acme', { email: { limit: 4, windowMs: 3_600_000 } })
      expect(await one.check('acme', [{ name: 'email', cost: 3 }])).toMatchObject({ allowed: true })
      expect(await one.check('acme', 'email')).toMatchObject({ allowed: false })
      await other.reset('acme', 'email')
      await until('the reset to get through', async () => (await one.check('acme', 'email')).allowed || undefined)
      await other.override('acme', { email: null })
      expect(await one.peek('acme', 'email')).toMatchObject({ limits: [{ limit: 3 }] })
    })
  })

  test('are in keys that expire after the window and one sub-window, and that any name can be part of', async () => {
    await instances(async (one, _other, fleet) => {
      const key = 'or{g}:100%'
      await one.check(key, ['email', 'a:b{c}%'])
      const names = ['email', 'a%3Ab%7Bc%7D%25'].map((name) => `sg:${fleet}:rl:{or%7Bg%7D%3A100%25}:${name}`)
      expect((await redis.client.keys(`sg:${fleet}:*`)).toSorted()).toEqual(names.toSorted())
      for (const name of names) {
        const ttlMs = await redis.client.pttl(name)
        expect(ttlMs).toBeGreaterThan(3_650_000)
        expect(ttlMs).toBeLessThanOrEqual(3_660_000)
      }
    })
  })

  test('stay as long as the longest grant in it, also when what was granted after it is over before', async () => {
    await instances(async (one, _other, fleet) => {
      const hours = { email: { limit: 3, windowMs: 7_200_000 } }
      await one.check('acme', 'email')
      await one.override('acme', hours)
      await one.check('acme', 'email')
      await one.override('acme', { email: { limit: 4, windowMs: 60_000 } })
      for (let call = 0; call < 2; call += 1) await one.check('acme', 'email')
      expect(await redis.client.pttl(`sg:${fleet}:rl:{acme}:email`)).toBeGreaterThan(7_000_000)
    })
  })

  test('say that all of a limit is left when the window is over, to the ms', async () => {
    await instances(async (one) => {
      for (let key = 0; key < 20; key += 1)
        expect(await one.check(`key-${key}`, 'email')).toMatchObject({ limits: [{ remaining: 2, resetMs: 3_600_000 }] })
    })
  })

  test('cost what is above the limit nothing', async () => {
    await instances(async (one, _other, fleet) => {
      expect(await one.check('acme', [{ name: 'email', cost: 4 }])).toMatchObject({
        allowed: false,
        retryAfterMs: Infinity,
      })
      expect(await redis.client.keys(`sg:${fleet}:*`)).toEqual([])
    })
  })

  test('work on when Redis has forgotten the script', async () => {
    await instances(async (one) => {
      await one.check('acme', 'email')
      await redis.client.script('FLUSH')
      expect(await one.check('acme', 'email')).toMatchObject({ allowed: true, degraded: false })
    })
  })

  test('leave a connection of the caller open', async () => {
    const connection = new Redis(redis.url)
    const limiter = redisLimiter({ connection, fleet: 'given', limits, deadlineMs: 60_000 })
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, degraded: false })
    await limiter.close?.()
    expect(await connection.ping()).toBe('PONG')
    connection.disconnect()
    await once(connection, 'end')
  })

  test('leave nothing behind on a connection of the caller', async () => {
    const connection = new Redis(redis.url)
    const listeners = (): number =>
      connection.eventNames().reduce((sum, event) => sum + connection.listenerCount(event), 0)
    await connection.ping()
    const before = listeners()
    const limiter = redisLimiter({ connection, fleet: 'given', limits })
    await limiter.check('acme', 'email')
    await limiter.close?.()
    expect(listeners()).toBe(before)
    connection.disconnect()
  })

  test('connect a client of the caller that is to connect with its first command', async () => {
    const connection = new Redis(redis.url, { lazyConnect: true })
    const limiter = redisLimiter({ connection, fleet: 'lazy', limits, deadlineMs: 60_000 })
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, degraded: false })
    await limiter.close?.()
    connection.disconnect()
  })

  test.each([10, 100, 1_000, 100_000])('take no more than 800 bytes a key at a limit of %d', async (limit) => {
    const fleet = `bytes-${limit}`
    const limiter = redisLimiter({
      url: redis.url,
      fleet,
      limits: { few: { limit, windowMs: limit > 100 ? 600 : 60_000 } },
      deadlineMs: 60_000,
    })
    const endAt = performance.now() + (limit > 100 ? 700 : 0)
    for (let call = 0; call < limit && (call < 100 || performance.now() < endAt); call += 1)
      await limiter.check('acme', 'few')
    const bytes = await redis.client.memory('USAGE', `sg:${fleet}:rl:{acme}:few`)
    console.info(`limit ${limit}: ${bytes} bytes`)
    expect(bytes).toBeLessThanOrEqual(800)
    await limiter.close?.()
  })

  test('take no more than 800 bytes also under a limit of 100 that was a larger one before', async () => {
    await instances(async (one, _other, fleet) => {
      await one.check('acme', 'large')
      await one.override('acme', { large: { limit: 100, windowMs: 60_000 } })
      for (let call = 0; call < 99; call += 1)
        expect(await one.check('acme', 'large')).toMatchObject({ allowed: true, degraded: false })
      expect(await one.check('acme', 'large')).toMatchObject({ allowed: false, degraded: false })
      expect(await redis.client.memory('USAGE', `sg:${fleet}:rl:{acme}:large`)).toBeLessThanOrEqual(800)
    })
  })

  test('take no more for each request while instances differ about the window, as when one is changed', async () => {
    const ofWindow = (windowMs: number): Limiter =>
      redisLimiter({
        url: redis.url,
        fleet: 'changing',
        limits: { alerts: { limit: 1_000_000, windowMs } },
        deadlineMs: 60_000,
      })
    const [before, after] = [ofWindow(6_000), ofWindow(3_000)]
    for (let call = 0; call < 300; call += 1) {
      await before.check('acme', 'alerts')
      await after.check('acme', 'alerts')
    }
    expect(await redis.client.strlen('sg:changing:rl:{acme}:alerts')).toBeLessThan(2_000)
    expect(await before.peek('acme', 'alerts')).toMatchObject({ limits: [{ remaining: 999_400 }] })
    await Promise.all([before.close?.(), after.close?.()])
  })

  test.each([
    {},
    { url: 'http://127.0.0.1' },
    { url: [] },
    { url: 'redis://127.0.0.1', connection: {} },
    { url: 'redis://127.0.0.1', fleet: 'a b' },
    { url: 'redis://127.0.0.1', limits: { email: { limit: 0, windowMs: 1 } } },
    { url: 'redis://127.0.0.1', deadlineMs: 0 },
    { url: 'redis://127.0.0.1', onUnavailable: 'maybe' },
  ])('are not made of %o', (options) => {
    expect(() => redisLimiter(options as RedisLimiterOptions)).toThrow(expect.objectContaining({ name: 'ConfigError' }))
  })
})

describe('the contract of the port', () => {
  portContracts.limiter(test, (of) => redisLimiter({ url: redis.url, limits: of, deadlineMs: 60_000 }))
})
