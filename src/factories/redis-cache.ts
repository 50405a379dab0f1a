import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { z } from 'zod'
import { cacheChannel, redisSharedCache } from '../adapters/redis/cache.ts'
import { redisConnection, type RedisConnection, type RedisPlace } from '../adapters/redis/connection.ts'
import { isOutage } from '../adapters/redis/outage.ts'
import { redisRollCall } from '../adapters/redis/roll-call.ts'
import { redisSubscription } from '../adapters/redis/subscription.ts'
import { checkFleetName, checkName } from '../kernel/names.ts'
import { durationMs, hasMethods, parseOptions } from '../kernel/options.ts'
import type { EventLog } from '../ports/event-log.ts'
import { checkedBy, redisPlaceFields } from './redis-place.ts'
import { cacheFields, type CacheOptions, sharedCacheFields, withCacheDefaults } from '../streams/cache/cache-options.ts'
import { cacheReport, cacheReportOf, type CacheReport } from '../streams/cache/cache-report.ts'
import { logNews } from '../streams/cache/log-news.ts'
import { type Cache, twoTierCache } from '../streams/cache/two-tier-cache.ts'

export interface RedisCacheOptions extends RedisPlace, CacheOptions {
  /** Instances of one fleet share values; 1 to 64 of `A-Z a-z 0-9 _ -`; `default`. */
  readonly fleet?: string | undefined
  /** Tells this instance apart in `fleetStats`; 1 to 128 characters; host, pid and chance. */
  readonly instance?: string | undefined
  /** A log over which invalidations are told, too, beside Redis: the fleet's, such as a `natsLog`. */
  readonly invalidations?: EventLog | undefined
  /** What Redis may cost a read, in ms; 50. */
  readonly deadlineMs?: number | undefined
  /** How long another instance's load is waited for before one loads by oneself, in ms; 2,000. */
  readonly loadWaitMs?: number | undefined
}

export interface RedisCache extends Cache {
  /**
   * How the cache is used by each instance that hears this one's question within `withinMs` (1,000), itself included, by
   * name. @throws ConfigError; UnavailableError when Redis cannot be asked
   */
  fleetStats(options?: { readonly withinMs?: number | undefined }): Promise<FleetCacheStats>
}

export interface FleetCacheStats {
  readonly instances: readonly CacheReport[]
  /** Instances that were asked and gave no answer, if that is known: in a cluster it is 0. */
  readonly silent: number
}

/**
 * A cache that all instances of a fleet share: values in this process, and in Redis. It does not wait for the connection.
 * @throws ConfigError
 */
export function redisCache(options: RedisCacheOptions): RedisCache {
  const given = parseOptions(schema, options, 'redisCache')
  const { url, connection, ...rest } = given
  const all = withCacheDefaults(rest)
  return cacheOver(redisConnection({ url, connection }, all, 'redisCache'), given)
}

/** A cache over a connection, with options that were checked. */
export function cacheOver(connection: RedisConnection, given: RedisCacheOptions): RedisCache {
  const { fleet = 'default', invalidations, ...rest } = given
  const all = withCacheDefaults(rest)
  const { clock } = all
  const chance = randomBytes(3).toString('hex')
  const instance = given.instance ?? `${hostname()}-${process.pid}-${chance}`.slice(-128)
  const place = { url: given.url, connection: given.connection }
  const rollCall = redisRollCall({
    connection,
    subscription: redisSubscription(place, all, 'redisCache'),
    channel: cacheChannel(fleet),
    clock,
  })
  const subscription = rollCall.answering(() => cacheReport(instance, cache.stats()))
  const news = invalidations && logNews(invalidations, { fleet, instance, logger: all.logger })
  const cache = twoTierCache(redisSharedCache({ connection, subscription, fleet }), { ...all, news, isOutage })
  return {
    ...cache,
    fleet,
    async fleetStats(of = {}) {
      const { withinMs = 1_000 } = parseOptions(withinSchema, of, 'fleetStats')
      const { texts, silent } = await rollCall.ask(withinMs)
      const reports = texts.map(cacheReportOf).filter((report) => report !== undefined)
      const byName = new Map(reports.map((report) => [report.instance, report]))
      const instances = [...byName.values()].toSorted((a, b) => (a.instance < b.instance ? -1 : 1))
      return { instances, silent }
    },
  }
}

const withinSchema: z.ZodType<{ withinMs?: number | undefined }> = z.strictObject({ withinMs: durationMs.optional() })

/** The options as fields of a schema, beside those of the place. */
export const redisCacheFields: {
  readonly [K in Exclude<keyof RedisCacheOptions, keyof RedisPlace>]-?: z.ZodOptional<
    z.ZodType<NonNullable<RedisCacheOptions[K]>>
  >
} = {
  ...cacheFields,
  ...sharedCacheFields,
  fleet: checkedBy<string>(checkFleetName).optional(),
  instance: checkedBy<string>((name) => checkName(name, 'instance')).optional(),
  invalidations: z.custom<EventLog>((value) => hasMethods(value, ['join']), 'expected an event log').optional(),
}

const schema: z.ZodType<RedisCacheOptions> = z.strictObject({ ...redisPlaceFields, ...redisCacheFields })
