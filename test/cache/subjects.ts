import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis'
import { Redis } from 'ioredis'
import { createGroupNotificationPair, GroupLoader, RedisGroupCache } from 'layered-loader'
import { redisSharedCache } from '../../src/adapters/redis/cache.ts'
import { redisConnection } from '../../src/adapters/redis/connection.ts'
import { redisSubscription } from '../../src/adapters/redis/subscription.ts'
import { systemClock } from '../../src/ports/clock.ts'
import { systemRandom } from '../../src/ports/random.ts'
import { withCacheDefaults } from '../../src/streams/cache/cache-options.ts'
import { twoTierCache } from '../../src/streams/cache/two-tier-cache.ts'

export type SubjectName = 'switchgear' | 'bentocache' | 'layered-loader'
export type Version = { readonly version: number }

/** A two-tier cache, as the harness uses it: values of organizations, by key, that are invalidated by organization. */
export interface Subject {
  read(organization: string, key: string): Promise<Version>
  /** With a name for the invalidation, where it can be told when the others hear of it. */
  invalidate(organization: string): Promise<string | undefined>
  close(): Promise<unknown>
}

export interface SubjectParts {
  readonly url: string
  load(organization: string, key: string): Promise<Version>
  /** This process has heard of an invalidation. */
  onHeard(id: string): void
}

const ttlMs = 60_000

export const subjects: Readonly<Record<SubjectName, (parts: SubjectParts) => Subject>> = {
  switchgear({ url, load, onHeard }) {
    const parts = { clock: systemClock, random: systemRandom }
    const connection = redisConnection({ url }, parts, 'redisCache')
    const subscription = redisSubscription({ url }, parts, 'redisCache')
    const tier = redisSharedCache({ connection, subscription, fleet: 'fresh' })
    const ids = new Map<string, string>()
    const options = withCacheDefaults({
      kinds: { version: { ttlMs, scope: 'stats', staleMs: ttlMs } },
      deadlineMs: 2_000,
    })
    const cache = twoTierCache(
      {
        ...tier,
        invalidate(news) {
          ids.set(news.organization, news.id)
          return tier.invalidate(news)
        },
        follow: ({ onNews, onLink }) =>
          tier.follow({
            onLink,
            onNews(news) {
              onNews(news)
              onHeard(news.id)
            },
          }),
      },
      options,
    )
    return {
      read: (organization, key) => cache.wrap({ organization, kind: 'version', key }, () => load(organization, key)),
      async invalidate(organization) {
        const told = cache.invalidate({ organization, scope: 'stats' })
        const id = ids.get(organization)
        await told
        return id
      },
      close: async () => cache.close?.(),
    }
  },

  bentocache({ url, load }) {
    const { hostname: host, port } = new URL(url)
    const connection = { host, port: Number(port) }
    const store = bentostore()
      .useL1Layer(memoryDriver({ maxItems: 10_000 }))
      .useL2Layer(redisDriver({ connection }))
      .useBus(redisBusDriver({ connection }))
    const cache = new BentoCache({ default: 'two', stores: { two: store }, ttl: ttlMs })
    return {
      read: (organization, key) =>
        cache.namespace(organization).getOrSet({ key, factory: () => load(organization, key) }),
      async invalidate(organization) {
        await cache.namespace(organization).clear()
        return undefined
      },
      close: () => cache.disconnectAll(),
    }
  },

  'layered-loader'({ url, load }) {
    const clients = Array.from({ length: 3 }, () => new Redis(url))
    const [store, publisherRedis, consumerRedis] = clients
    if (store === undefined || publisherRedis === undefined || consumerRedis === undefined)
      throw new Error('there are three clients')
    const { publisher, consumer } = createGroupNotificationPair<Version>({
      channel: 'fresh',
      publisherRedis,
      consumerRedis,
    })
    const loader = new GroupLoader<Version>({
      inMemoryCache: { cacheType: 'lru-object', ttlInMsecs: ttlMs, maxItemsPerGroup: 100, maxGroups: 10_000 },
      asyncCache: new RedisGroupCache<Version>(store, { prefix: 'fresh', json: true, ttlInMsecs: ttlMs }),
      notificationConsumer: consumer,
      notificationPublisher: publisher,
      dataSources: [
        {
          name: 'truth',
          getFromGroup: (key, organization) => load(organization, key),
          getManyFromGroup: (keys, organization) => Promise.all(keys.map((key) => load(organization, key))),
        },
      ],
    })
    return {
      async read(organization, key) {
        const found = await loader.get(key, organization)
        if (found === undefined || found === null) throw new Error('it loaded nothing')
        return found
      },
      async invalidate(organization) {
        await loader.invalidateCacheForGroup(organization)
        return undefined
      },
      async close() {
        for (const client of clients) client.disconnect()
      },
    }
  },
}
