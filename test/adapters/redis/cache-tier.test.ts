import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memorySharedCache } from '../../../src/adapters/memory/shared-cache.ts'
import { redisSharedCache } from '../../../src/adapters/redis/cache.ts'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { redisSubscription } from '../../../src/adapters/redis/subscription.ts'
import { UnavailableError } from '../../../src/kernel/errors.ts'
import type { CacheNews, CachePlace, Found, SharedCache } from '../../../src/ports/cache.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { startRedis } from '../../servers/start-redis.ts'
import { until } from '../../servers/until.ts'

let server: Awaited<ReturnType<typeof startRedis>>
let organizations = 0
const tiers: SharedCache[] = []

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  for (const tier of tiers) await tier.close?.()
  await server.stop()
})

const parts = { clock: systemClock, random: systemRandom }
const makers: readonly [where: string, make: () => SharedCache][] = [
  ['in memory', () => memorySharedCache(parts)],
  [
    'in Redis',
    () => {
      const connection = redisConnection({ url: server.url }, parts, 'redisCache')
      const subscription = redisSubscription({ url: server.url }, parts, 'redisCache')
      return redisSharedCache({ connection, subscription, fleet: 'tier' })
    },
  ],
]

const [old, fresh] = [Buffer.from('old'), Buffer.from('new')]
const life = { ttlMs: 60_000, staleMs: 0 }
const lease = (by: string, leaseMs = 60_000) => ({ by, leaseMs })

function placeOf(): CachePlace {
  organizations += 1
  return { organization: `acme ${organizations}`, kind: 'stats', key: 'day', scope: 'stats' }
}

function fenceOf(found: Found): string {
  if (found.status !== 'lead') throw new Error(`expected the lease, and found ${found.status}`)
  return found.fence
}

describe.each(makers)('a tier %s', (_where, make) => {
  function open(): SharedCache {
    const tier = make()
    tiers.push(tier)
    return tier
  }

  test('gives the lease to one, lets others wait, and finds what that one keeps', async () => {
    const [tier, place] = [open(), placeOf()]
    expect(await tier.find(place)).toEqual({ status: 'miss' })
    const fence = fenceOf(await tier.find(place, lease('one')))
    expect(await tier.find(place, lease('other'))).toMatchObject({ status: 'wait' })
    expect(fenceOf(await tier.find(place, lease('one')))).toBe(fence)
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'other', fence } })).toBe(false)
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'one', fence } })).toBe(true)
    const found = await tier.find(place, lease('other'))
    expect(found).toMatchObject({ status: 'hit', value: { body: old } })
    if (found.status === 'hit') expect(found.value.freshForMs).toBeLessThanOrEqual(60_000)
    expect(await tier.keep(place, { body: fresh, ...life, load: { by: 'one', fence } })).toBe(false)
  })

  test.each(['all', 'stats'] as const)('forgets what an invalidation of %s covers, its leases too', async (scope) => {
    const [tier, place] = [open(), placeOf()]
    const { organization } = place
    const fence = fenceOf(await tier.find(place, lease('one')))
    await tier.keep(place, { body: old, ...life, load: { by: 'one', fence } })
    await tier.invalidate({ id: '1', organization, scope })
    expect(await tier.find(place)).toEqual({ status: 'miss' })
    const second = fenceOf(await tier.find(place, lease('two')))
    await tier.invalidate({ id: '2', organization, scope })
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'two', fence: second } })).toBe(false)
    fenceOf(await tier.find(place, lease('three')))
    await tier.invalidate({ id: '3', organization, scope })
    const fourth = fenceOf(await tier.find(place, lease('four')))
    expect(await tier.keep(place, { body: fresh, ...life, load: { by: 'four', fence: fourth } })).toBe(true)
    await tier.invalidate({ id: '4', organization, scope: 'search' })
    expect(await tier.find(place)).toMatchObject({ status: 'hit', value: { body: fresh } })
  })

  test('gives the lease to the next when it was given back, or ended, and prolongs it for whose it is', async () => {
    const [tier, place] = [open(), placeOf()]
    fenceOf(await tier.find(place, lease('one')))
    await tier.renew(place, lease('other', 0))
    expect(await tier.find(place, lease('other'))).toMatchObject({ status: 'wait' })
    await tier.renew(place, lease('one', 0))
    fenceOf(await tier.find(place, lease('two', 50)))
    await until('the lease to end', async () => (await tier.find(place, lease('three'))).status === 'lead' || undefined)
    await tier.renew(place, lease('two', 60_000))
    expect(await tier.find(place, lease('two'))).toMatchObject({ status: 'wait' })
  })

  test('finds no value whose loading began before it was written or removed', async () => {
    const [tier, place] = [open(), placeOf()]
    const first = fenceOf(await tier.find(place, lease('one')))
    await tier.remove(place, '1')
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'one', fence: first } })).toBe(false)
    const second = fenceOf(await tier.find(place, lease('two')))
    expect(await tier.keep(place, { body: fresh, ...life, id: '2' })).toBe(true)
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'two', fence: second } })).toBe(false)
    expect(await tier.find(place)).toMatchObject({ status: 'hit', value: { body: fresh } })
  })

  test('finds what is stale for those who may take it: the one who loads it anew, and who waits for that one', async () => {
    const [tier, place] = [open(), placeOf()]
    await tier.keep(place, { body: old, ttlMs: 30, staleMs: 60_000, id: '1' })
    await until('the value to be stale', async () => (await tier.find(place)).status === 'miss' || undefined)
    const stale = { body: old, freshForMs: 0 }
    expect(await tier.find(place, lease('one'))).toMatchObject({ status: 'lead', stale })
    expect(await tier.find(place, lease('two'))).toMatchObject({ status: 'wait', stale })
    await tier.invalidate({ id: '2', organization: place.organization, scope: 'stats' })
    expect(await tier.find(place, lease('three'))).toMatchObject({ status: 'lead', stale: undefined })
  })

  test('tells everybody who follows, until they stop', async () => {
    const [tier, place] = [open(), placeOf()]
    const { organization, kind, key } = place
    const heard: CacheNews[] = []
    let links = 0
    const stop = tier.follow({ onNews: (news) => heard.push(news), onLink: (isUp) => (links += isUp ? 1 : 0) })
    await until('the link', () => links > 0 || undefined)
    await tier.keep(place, { body: old, ...life, id: '1' })
    await tier.remove(place, '2')
    await tier.invalidate({ id: '3', organization, scope: 'counts' })
    await until('the news', () => heard.length === 3 || undefined)
    expect(heard).toEqual([
      { id: '1', organization, kind, key },
      { id: '2', organization, kind, key },
      { id: '3', organization, scope: 'counts' },
    ])
    stop()
    await tier.remove(place, '4')
    await tier.find(place)
    expect(heard).toHaveLength(3)
  })
})

test('a tier whose Redis is not there says so', async () => {
  const connection = redisConnection({ url: 'redis://127.0.0.1:1' }, parts, 'redisCache')
  const subscription = redisSubscription({ url: 'redis://127.0.0.1:1' }, parts, 'redisCache')
  const tier = redisSharedCache({ connection, subscription, fleet: 'tier' })
  const place = placeOf()
  const stop = tier.follow({ onNews() {}, onLink() {} })
  await expect(tier.find(place)).rejects.toBeInstanceOf(UnavailableError)
  await expect(tier.invalidate({ ...place, id: '1' })).rejects.toBeInstanceOf(UnavailableError)
  stop()
  await tier.close?.()
})
