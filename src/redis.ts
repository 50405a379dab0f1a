/** The door `switchgear/redis`: what instances share in Redis. */
export { redisLimiter, redisLimiterDefaults, type RedisLimiterOptions } from './redis-limiter.ts'
export { redisDeadLetters, redisDeadLettersDefaults, type RedisDeadLettersOptions } from './redis-dead-letters.ts'
export type { SpillOptions } from './spill.ts'
export { redisStores, type RedisStores, type RedisStoresOptions } from './redis-stores.ts'
export { redisCache, type FleetCacheStats, type RedisCache, type RedisCacheOptions } from './redis-cache.ts'
export type { CacheReport } from './streams/cache-report.ts'
