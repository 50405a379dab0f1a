/** The door `switchgear/redis`: what instances share in Redis. */
export { redisLimiter, redisLimiterDefaults, type RedisLimiterOptions } from './factories/redis-limiter.ts'
export {
  redisDeadLetters,
  redisDeadLettersDefaults,
  type RedisDeadLettersOptions,
} from './factories/redis-dead-letters.ts'
export type { SpillOptions } from './factories/spill.ts'
export { redisStores, type RedisStores, type RedisStoresOptions } from './factories/redis-stores.ts'
export { redisCache, type FleetCacheStats, type RedisCache, type RedisCacheOptions } from './factories/redis-cache.ts'
export type { CacheReport } from './streams/cache/cache-report.ts'
