import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { redisDriver } from 'bentocache/drivers/redis'
import { Cacheable } from 'cacheable'
import type { Redis } from 'ioredis'
import { GroupLoader, Loader, RedisCache, RedisGroupCache } from 'layered-loader'
import { memoryCache } from 'switchgear'

/** A value of one organization, as those who ask for it have it. */
export type Ask = (key: string) => Promise<unknown>
export type Load = (key: string) => Promise<object>

export const organization = 'acme'
export const kind = 'report'
/** Nothing ends while it is measured. */
export const ttlMs = 3_600_000
const entriesMax = 10_000

/** Each in this process only, with room for as many values. */
export const inProcess: {
  readonly ours: (load: Load) => Ask
  readonly layeredLoader: (load: Load) => Ask
  readonly layeredLoaderByGroup: (load: Load) => Ask
  readonly bentocache: (load: Load) => Ask
  readonly cacheable: (load: Load) => Ask
} = {
  ours(load) {
    const cache = memoryCache({ kinds: { [kind]: { ttlMs, scope: 'stats' } }, entriesMax })
    return (key) => cache.wrap({ organization, kind, key }, () => load(key))
  },
  layeredLoader(load) {
    const loader = new Loader({
      inMemoryCache: { cacheType: 'lru-object', ttlInMsecs: ttlMs, maxItems: entriesMax },
      dataSourceGetOneFn: load,
    })
    return (key) => loader.get(key)
  },
  /** With an organization that can be invalidated. */
  layeredLoaderByGroup(load) {
    const loader = new GroupLoader<object>({
      inMemoryCache: { cacheType: 'lru-object', ttlInMsecs: ttlMs, maxItemsPerGroup: entriesMax },
      dataSourceGetOneFn: load,
    })
    return (key) => loader.get(key, organization)
  },
  bentocache(load) {
    const store = bentostore().useL1Layer(memoryDriver({ maxItems: entriesMax }))
    const cache = new BentoCache({ default: 'one', stores: { one: store }, ttl: ttlMs }).namespace(organization)
    return (key) => cache.getOrSet({ key, factory: () => load(key) })
  },
  cacheable(load) {
    const cache = new Cacheable({ ttl: ttlMs })
    return (key) => cache.getOrSet(key, () => load(key))
  },
}

/** Each with values in Redis alone: what is in process would be measured instead. */
export const inRedis: {
  readonly layeredLoader: (client: Redis, load: Load) => Ask
  readonly bentocache: (client: Redis, load: Load) => Ask
} = {
  layeredLoader(client, load) {
    const asyncCache = new RedisCache<object>(client, { prefix: 'layered', json: true, ttlInMsecs: ttlMs })
    const loader = new Loader({ inMemoryCache: false, asyncCache, dataSourceGetOneFn: load })
    return (key) => loader.get(key)
  },
  bentocache(client, load) {
    const cache = bento(client)
    return (key) => cache.getOrSet({ key, factory: () => load(key) })
  },
}

/** How an organization with values is emptied. */
export interface Emptying {
  put(key: string, value: object): Promise<unknown>
  empty(): Promise<unknown>
}

export function bentocacheEmptying(client: Redis): Emptying {
  const cache = bento(client)
  return { put: (key, value) => cache.set({ key, value }), empty: () => cache.clear() }
}

export function layeredLoaderEmptying(client: Redis): Emptying {
  const asyncCache = new RedisGroupCache<object>(client, { prefix: 'grouped', json: true, ttlInMsecs: ttlMs })
  const loader = new GroupLoader<object>({ inMemoryCache: false, asyncCache })
  return {
    put: (key, value) => loader.forceSetValueForGroup(key, value, organization),
    empty: () => loader.invalidateCacheForGroup(organization),
  }
}

function bento(client: Redis) {
  const store = bentostore().useL2Layer(redisDriver({ connection: client }))
  return new BentoCache({ default: 'one', stores: { one: store }, ttl: ttlMs }).namespace(organization)
}
