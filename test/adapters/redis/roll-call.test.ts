import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { redisCache, type RedisCache } from '../../../src/factories/redis-cache.ts'
import { startRedisCluster } from '../../servers/redis-cluster.ts'
import type { Server } from '../../servers/server-process.ts'
import { startRedis } from '../../servers/start-redis.ts'
import { until } from '../../servers/until.ts'

let server: Server
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server?.stop())

const address = { organization: 'acme', kind: 'stats', key: 'day' }

async function withCaches<T>(
  { url, fleet }: { readonly url: string | readonly string[]; readonly fleet: string },
  work: (asking: RedisCache) => Promise<T>,
): Promise<T> {
  const names = ['c', 'a', 'b']
  const caches = names.map((instance) => redisCache({ url, fleet, instance, deadlineMs: 10_000 }))
  const [asking] = caches
  try {
    if (asking === undefined) throw new Error('there are no caches')
    for (const cache of caches) await cache.wrap(address, () => 7)
    await until('all instances to answer', async () => {
      const { instances } = await asking.fleetStats({ withinMs: 500 })
      return instances.length === names.length || undefined
    })
    return await work(asking)
  } finally {
    await Promise.all(caches.map(async (cache) => cache.close?.()))
  }
}

test('all instances say how they use the cache, by name, the one that asks too', async () => {
  await withCaches({ url: server.url, fleet: 'all' }, async (asking) => {
    const { instances, silent } = await asking.fleetStats({ withinMs: 10_000 })
    expect(instances.map(({ instance, stats }) => [instance, stats.loads, stats.tiers.shared.hits])).toEqual([
      ['a', 0, 1],
      ['b', 0, 1],
      ['c', 1, 0],
    ])
    expect(silent).toBe(0)
  })
})

test('who is asked and does not answer is counted, and waited for no longer than is said', async () => {
  const client = new Redis(server.url)
  await client.subscribe('sg:silent:c')
  await withCaches({ url: server.url, fleet: 'silent' }, async (asking) => {
    const startedAt = performance.now()
    const { instances, silent } = await asking.fleetStats({ withinMs: 300 })
    expect(performance.now() - startedAt).toBeGreaterThan(250)
    expect(instances).toHaveLength(3)
    expect(silent).toBe(1)
  })
  client.disconnect()
})

test('an answer that cannot be read, and a question that asks to be answered elsewhere, are passed over', async () => {
  const listening = new Redis(server.url)
  const client = new Redis(server.url)
  const heard: string[] = []
  await listening.subscribe('sg:strange:c', 'elsewhere')
  listening.on('message', (channel: string, text: string) => {
    if (channel === 'elsewhere') heard.push(text)
    const { to }: { readonly to?: string } = JSON.parse(text) as object
    if (to !== undefined && to !== 'elsewhere') void client.publish(to, '{"v":1,"instance":7}')
  })
  await withCaches({ url: server.url, fleet: 'strange' }, async (asking) => {
    await client.publish('sg:strange:c', JSON.stringify({ v: 1, ask: 'stats', to: 'elsewhere' }))
    const { instances, silent } = await asking.fleetStats({ withinMs: 10_000 })
    expect(instances).toHaveLength(3)
    expect(silent).toBe(0)
  })
  expect(heard).toEqual([])
  listening.disconnect()
  client.disconnect()
})

test('in a cluster whoever has answered in half a second is told of', async () => {
  const cluster = await startRedisCluster()
  try {
    await withCaches({ url: cluster.urls, fleet: 'wide' }, async (asking) => {
      const { instances, silent } = await asking.fleetStats({ withinMs: 10_000 })
      expect(instances.map(({ instance }) => instance)).toEqual(['a', 'b', 'c'])
      expect(silent).toBe(0)
    })
  } finally {
    await cluster.remove()
  }
})

test('where Redis cannot be asked, neither can instances', async () => {
  const cache = redisCache({ url: 'redis://127.0.0.1:1', fleet: 'gone' })
  await expect(cache.fleetStats({ withinMs: 500 })).rejects.toMatchObject({ name: 'UnavailableError' })
  await expect(cache.fleetStats({ withinMs: 0 })).rejects.toMatchObject({ name: 'ConfigError' })
  await cache.close?.()
})
