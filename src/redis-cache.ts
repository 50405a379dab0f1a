import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { redisSharedCache } from './adapters/redis/cache.ts'
import { redisConnection, type RedisConnection, type RedisPlace } from './adapters/redis/connection.ts'
import { isOutage } from './adapters/redis/outage.ts'
import { redisSubscription } from './adapters/redis/subscription.ts'
import { checkFleetName } from './kernel/names.ts'
import { hasMethods, parseOptions } from './kernel/options.ts'
import type { EventLog } from './ports/event-log.ts'
import { redisPlaceFields } from './redis-place.ts'
import { cacheFields, type CacheOptions, sharedCacheFields, withCacheDefaults } from './streams/cache-options.ts'
import { logNews } from './streams/log-news.ts'
import { type Cache, twoTierCache } from './streams/two-tier-cache.ts'

export interface RedisCacheOptions extends RedisPlace, CacheOptions {
  /** Instances of one fleet share values; 1 to 64 of `A-Z a-z 0-9 _ -`; `default`. */
  readonly fleet?: string | undefined
  /** A log over which invalidations are told, too, beside Redis: the fleet's, such as a `natsLog`. */
  readonly invalidations?: EventLog | undefined
  /** What Redis may cost a read, in ms; 50. */
  readonly deadlineMs?: number | undefined
  /** How long another instance's load is waited for before one loads by oneself, in ms; 2,000. */
  readonly loadWaitMs?: number | undefined
}

/**
 * A cache that all instances of a fleet share: values in this process, and in Redis. It does not wait for the connection.
 * @throws ConfigError
 */
export function redisCache(options: RedisCacheOptions): Cache {
  const given = parseOptions(schema, options, 'redisCache')
  const { url, connection, ...rest } = given
  const all = withCacheDefaults(rest)
  return cacheOver(redisConnection({ url, connection }, all, 'redisCache'), given)
}

/** A cache over a connection, with options that were checked. @throws ConfigError */
export function cacheOver(connection: RedisConnection, given: RedisCacheOptions): Cache {
  const fleet = checkFleetName(given.fleet ?? 'default')
  const { invalidations, ...rest } = given
  const all = withCacheDefaults(rest)
  const subscription = redisSubscription({ url: given.url, connection: given.connection }, all, 'redisCache')
  const instance = `cache-${randomBytes(6).toString('hex')}`
  const news = invalidations && logNews(invalidations, { fleet, instance, logger: all.logger })
  return { ...twoTierCache(redisSharedCache({ connection, subscription, fleet }), { ...all, news, isOutage }), fleet }
}

/** The options as fields of a schema, beside those of the place. */
export const redisCacheFields: {
  readonly [K in Exclude<keyof RedisCacheOptions, keyof RedisPlace>]-?: z.ZodOptional<
    z.ZodType<NonNullable<RedisCacheOptions[K]>>
  >
} = {
  ...cacheFields,
  ...sharedCacheFields,
  fleet: z.string().optional(),
  invalidations: z.custom<EventLog>((value) => hasMethods(value, ['join']), 'expected an event log').optional(),
}

const schema: z.ZodType<RedisCacheOptions> = z.strictObject({ ...redisPlaceFields, ...redisCacheFields })
