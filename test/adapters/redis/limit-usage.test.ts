import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { redisUsage } from '../../../src/adapters/redis/limit-usage.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import { noUse } from '../../../src/ports/limit-use.ts'
import type { Limiter } from '../../../src/ports/limiter.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { redisLimiter, type RedisLimiterOptions } from '../../../src/redis.ts'
import { type RedisNode, startRedisNode } from '../../servers/redis-node.ts'

const limits = { email: { limit: 50, windowMs: 3_600_000 }, 'a:b{c}%': { limit: 3, windowMs: 60_000 } }
const weekMs = 604_800_000

let node: RedisNode
let client: Redis
const limiters: Limiter[] = []

beforeAll(async () => {
  node = await startRedisNode()
  client = new Redis(node.url)
})
afterEach(async () => {
  await Promise.all(limiters.splice(0).map(async (limiter) => limiter.close?.()))
})
afterAll(async () => {
  client.disconnect()
  await node.remove()
})

function instance(options: RedisLimiterOptions): Limiter {
  const limiter = redisLimiter({ url: node.url, limits, deadlineMs: 60_000, ...options })
  limiters.push(limiter)
  return limiter
}

const inTurn = async (times: number, act: () => Promise<unknown>): Promise<void> => {
  for (let turn = 0; turn < times; turn += 1) await act()
}

describe('what limits are used for', () => {
  test('is that of the whole fleet, whichever instance is asked, once each has told it', async () => {
    const fleet = 'told'
    const [one, other] = [instance({ fleet }), instance({ fleet })]
    await inTurn(20, () => one.check('acme', 'email'))
    await inTurn(40, () => other.check('acme', 'email'))
    await other.check('acme', [{ name: 'a:b{c}%', cost: 2 }])
    expect(await other.suggest()).toMatchObject([{ scope: 'fleet', asked: 40, refused: 10 }, { asked: 2 }])
    expect(await one.suggest()).toMatchObject([
      { name: 'email', scope: 'fleet', asked: 60, refused: 10, limit: 50, windowMs: 3_600_000 },
      { name: 'a:b{c}%', scope: 'fleet', asked: 2, refused: 0, peak: 2 },
    ])
    const [email] = await one.suggest()
    expect(email?.suggested).toBeGreaterThanOrEqual(60)
    expect(email?.suggested).toBeLessThanOrEqual(90)
  })

  test('outlives the instances, and is known to one that knows no limits at all', async () => {
    const fleet = 'outlived'
    const first = instance({ fleet })
    await inTurn(30, () => first.check('acme', 'email'))
    await first.close?.()
    const [email, ...others] = await instance({ fleet, limits: {} }).suggest()
    expect(others).toEqual([])
    expect(email).toMatchObject({ name: 'email', limit: 50, windowMs: 3_600_000, asked: 30, peak: 30, suggested: 36 })
    expect(email?.sinceAt).toBeGreaterThan(Date.now() - 60_000)
  })

  test('stands in one key of the week that expires, apart from those of any organization', async () => {
    const fleet = 'keys'
    const limiter = instance({ fleet })
    await limiter.check('usage', 'email')
    await limiter.suggest()
    const week = Math.floor(Date.now() / weekMs)
    const [batch = '', ...more] = await client.keys(`sg:${fleet}:rl:usage:{${week}}:*`)
    expect(more).toEqual([])
    expect(await client.pttl(batch)).toBeLessThanOrEqual(60_000)
    await client.del(batch)
    expect((await client.keys(`sg:${fleet}:*`)).toSorted()).toEqual([
      `sg:${fleet}:rl:usage:{${week}}`,
      `sg:${fleet}:rl:{usage}:email`,
    ])
    const ttlMs = await client.pttl(`sg:${fleet}:rl:usage:{${week}}`)
    expect(ttlMs).toBeGreaterThan(weekMs - 60_000)
    expect(ttlMs).toBeLessThanOrEqual(2 * weekMs)
    expect(await client.memory('USAGE', `sg:${fleet}:rl:usage:{${week}}`)).toBeLessThan(1_000)
  })

  test('fades after one to two weeks, and a batch that comes twice counts once', async () => {
    const connection = redisConnection({ url: node.url }, { clock: systemClock, random: systemRandom }, 'test')
    let week = 100
    const usage = redisUsage({ connection, fleet: 'fading', clock: { ...systemClock, now: () => week * weekMs } })
    const add = (asked: number, peak: number, id = `${asked}`) => {
      const uses = [{ ...noUse('email', limits.email, week * weekMs), asked, peak }]
      return usage.add({ id, at: week * weekMs, uses })
    }
    await add(5, 40)
    await add(3, 30)
    week = 101
    await add(1, 7)
    await add(1, 7)
    expect(await usage.read()).toMatchObject([{ asked: 9, peak: 40, sinceAt: 100 * weekMs, lastAt: 101 * weekMs }])
    week = 102
    expect(await usage.read()).toMatchObject([{ asked: 1, peak: 7, sinceAt: 101 * weekMs }])
    connection.close()
  })

  test('does not grow without bound with names that are made up', async () => {
    const connection = redisConnection({ url: node.url }, { clock: systemClock, random: systemRandom }, 'test')
    const usage = redisUsage({ connection, fleet: 'many', clock: systemClock })
    for (let turn = 0; turn < 20; turn += 1) {
      const names = Array.from({ length: 500 }, (_, index) => `${turn}-${index}`)
      const uses = names.map((name) => ({ ...noUse(name, limits.email, 1), asked: 1 }))
      await usage.add({ id: `${turn}`, at: Date.now(), uses })
    }
    const key = `sg:many:rl:usage:{${Math.floor(Date.now() / weekMs)}}`
    expect(await client.hlen(key)).toBe(65_536)
    await usage.add({ id: 'last', at: Date.now(), uses: [{ ...noUse('0-0', limits.email, 1), asked: 1 }] })
    expect((await usage.read()).find(({ name }) => name === '0-0')).toMatchObject({ asked: 2 })
    connection.close()
  })

  test('is that of one instance alone while Redis cannot be asked, and nothing of it is lost, or counted twice, when it can', async () => {
    const fleet = 'away'
    const [one, other] = [instance({ fleet, deadlineMs: 1_000 }), instance({ fleet })]
    await inTurn(5, () => other.check('acme', 'email'))
    await other.suggest()
    await inTurn(3, () => one.check('acme', 'email'))
    node.freeze()
    try {
      expect(await one.suggest()).toMatchObject([
        { scope: 'instance', asked: 3 },
        { scope: 'instance', asked: 0 },
      ])
    } finally {
      node.thaw()
    }
    await expect
      .poll(async () => (await one.suggest())[0], { timeout: 60_000 })
      .toMatchObject({ scope: 'fleet', asked: 8 })
  })

  test('is told by itself after some seconds, and no request waits for it', async () => {
    const fleet = 'by-itself'
    const limiter = instance({ fleet })
    await limiter.check('acme', 'email')
    await expect.poll(() => client.keys(`sg:${fleet}:rl:usage:*`), { timeout: 20_000, interval: 200 }).toHaveLength(2)
  })
})
