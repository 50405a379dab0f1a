import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { natsLog } from '../../../src/nats.ts'
import { redisCache } from '../../../src/redis.ts'
import type { Cache } from '../../../src/streams/cache/two-tier-cache.ts'
import { type RedisCluster, startRedisCluster } from '../../servers/redis-cluster.ts'
import { startNats } from '../../servers/start-nats.ts'
import { startRedis } from '../../servers/start-redis.ts'
import { startTcpProxy, type TcpProxy } from '../../servers/tcp-proxy.ts'
import { until } from '../../servers/until.ts'

const address = { organization: 'acme', kind: 'stats', key: 'day' }
const scope = { organization: 'acme', scope: 'stats' } as const

/** Until what one changes is heard by the other. */
async function linked(one: Cache, other: Cache, key: string): Promise<void> {
  const probe = { ...address, key }
  await until('news to be heard', async () => {
    await one.set(probe, 1)
    await other.get(probe)
    await one.set(probe, 2)
    return until('the news', async () => ((await other.get(probe)) === 2 ? true : undefined), 500)
  })
}

describe('news over NATS as well', () => {
  let [redis, nats]: (Awaited<ReturnType<typeof startRedis>> | undefined)[] = []
  let proxies: TcpProxy[] = []
  let caches: Cache[] = []

  beforeAll(async () => {
    ;[redis, nats] = await Promise.all([startRedis(), startNats()])
  })

  afterEach(async () => {
    await Promise.all(caches.splice(0).map(async (cache) => cache.close?.()))
    await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()))
  })

  afterAll(() => Promise.all([redis?.stop(), nats?.stop()]))

  async function pair(fleet: string): Promise<{ one: Cache; other: Cache; toRedis: TcpProxy; toNats: TcpProxy }> {
    const [toRedis, toNats] = await Promise.all([startTcpProxy(redis?.url ?? ''), startTcpProxy(nats?.url ?? '')])
    const options = { fleet, deadlineMs: 5_000 }
    const one = redisCache({ ...options, url: redis?.url ?? '', invalidations: natsLog({ servers: nats?.url ?? '' }) })
    const other = redisCache({ ...options, url: toRedis.url, invalidations: natsLog({ servers: toNats.url }) })
    proxies = [toRedis, toNats]
    caches = [one, other]
    await linked(one, other, 'probe')
    return { one, other, toRedis, toNats }
  }

  test('reach who does not hear those of Redis', async () => {
    const { one, other, toRedis, toNats } = await pair('over-nats')
    await until('NATS to tell', async () => {
      await one.set({ ...address, key: 'nats' }, 1)
      return toNats.seen('toClient', '"key":"nats"') > 0 || undefined
    })
    expect(await other.wrap(address, () => 'old')).toBe('old')
    toRedis.hold('toClient')
    await one.invalidate(scope)
    await until('the news over NATS', async () => {
      const before = other.stats().entries
      return toNats.seen('toClient', '"scope":"stats"') > 0 && before >= 0 ? true : undefined
    })
    const read = other.wrap(address, () => 'new')
    toRedis.release('toClient')
    expect(await read).toBe('new')
  })

  test('are heard once: those that come late over NATS throw nothing away', async () => {
    const { one, other, toNats } = await pair('once')
    expect(await other.wrap(address, () => 'old')).toBe('old')
    toNats.hold('toClient')
    await one.invalidate(scope)
    await until('the news over Redis', async () => ((await other.get(address)) === undefined ? true : undefined))
    expect(await other.wrap(address, () => 'new')).toBe('new')
    const { loads } = other.stats()
    toNats.release('toClient')
    await until('the news over NATS', () => toNats.seen('toClient', '"scope":"stats"') > 0 || undefined)
    await linked(one, other, 'after')
    const before = other.stats().tiers.local.hits
    expect(await other.wrap(address, () => 'again')).toBe('new')
    expect([other.stats().loads, other.stats().tiers.local.hits]).toEqual([loads, before + 1])
  })
})

describe('in a cluster', () => {
  let cluster: RedisCluster
  let caches: Cache[] = []

  beforeAll(async () => {
    cluster = await startRedisCluster()
  })

  afterAll(async () => {
    await Promise.all(caches.map(async (cache) => cache.close?.()))
    await cluster?.remove()
  })

  test('values are shared, invalidated and told of, wherever their slots are', async () => {
    const [one, other] = [0, 1].map(() => redisCache({ url: cluster.urls, deadlineMs: 10_000 }))
    if (one === undefined || other === undefined) return
    caches = [one, other]
    await linked(one, other, 'probe')
    for (const organization of ['acme', 'globex', 'initech', 'umbrella', 'a:{b}']) {
      const at = { ...address, organization }
      expect(await one.wrap(at, () => 'old')).toBe('old')
      expect(await other.wrap(at, () => 'never')).toBe('old')
      await one.invalidate({ organization, scope: 'all' })
      expect(await one.wrap(at, () => 'new')).toBe('new')
      await until('the other to hear of it', async () => (await other.get(at)) === 'new' || undefined)
    }
  })

  test('a node that is killed takes no news along: whoever listened to it empties its tier and listens to another', async () => {
    const many = Array.from({ length: 6 }, () => redisCache({ url: cluster.urls, fleet: 'many', deadlineMs: 500 }))
    caches.push(...many)
    const [teller, ...hearers] = many
    if (teller === undefined) return
    for (const [index, hearer] of hearers.entries()) await linked(teller, hearer, `probe ${index}`)
    const master = await cluster.masterOf('sg:many:c:{acme}:e')
    await master.kill()
    await until('the replica to take over', async () => {
      await teller.invalidate(scope)
      return true
    })
    for (const [index, hearer] of hearers.entries()) await linked(teller, hearer, `after ${index}`)
  })
})
