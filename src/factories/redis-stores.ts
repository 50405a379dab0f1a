import { z } from 'zod'
import { redisConnection, type RedisConnection } from '../adapters/redis/connection.ts'
import { parseOptions } from '../kernel/options.ts'
import { systemClock } from '../ports/clock.ts'
import type { Limiter } from '../ports/limiter.ts'
import { systemRandom } from '../ports/random.ts'
import { cacheOver, type RedisCache, redisCacheFields, type RedisCacheOptions } from './redis-cache.ts'
import { deadLettersOver, redisDeadLettersFields, type RedisDeadLettersOptions } from './redis-dead-letters.ts'
import { limiterOver, redisLimiterFields, type RedisLimiterOptions } from './redis-limiter.ts'
import { redisPlaceFields } from './redis-place.ts'
import type { DeadLetters } from '../streams/dead-letters/dead-letter-queue.ts'

/** The options of all stores; `deadlineMs`, where it is given, is of each. */
export interface RedisStoresOptions extends RedisLimiterOptions, RedisDeadLettersOptions, RedisCacheOptions {}

export interface RedisStores {
  readonly limiter: Limiter
  readonly deadLetters: DeadLetters
  readonly cache: RedisCache
}

/**
 * Everything that instances share in Redis, on one connection, which is closed with the last store that is; and on another
 * the cache hears what is invalidated.
 * @throws ConfigError
 */
export function redisStores(options: RedisStoresOptions): RedisStores {
  const given = parseOptions(schema, options, 'redisStores')
  const { clock = systemClock, random = systemRandom } = given
  const { limits, onUnavailable, url, connection, fleet, deadlineMs, logger } = given
  const user = shared(redisConnection({ url, connection }, { clock, random }, 'redisStores'))
  return {
    limiter: limiterOver(user(), { fleet, deadlineMs, logger, clock, random, limits, onUnavailable }),
    deadLetters: deadLettersOver(user(), ofLetters.parse(given)),
    cache: cacheOver(user(), given),
  }
}

const schema: z.ZodType<RedisStoresOptions> = z.strictObject({
  ...redisPlaceFields,
  ...redisLimiterFields,
  ...redisDeadLettersFields,
  ...redisCacheFields,
})

/** What is not of letters is left out: their queue knows no other options. */
const ofLetters = z.object(redisDeadLettersFields)

/** A connection for each of those who share it; all are made before the first of them is closed. */
function shared(connection: RedisConnection): () => RedisConnection {
  const users = new Set<RedisConnection>()
  return () => {
    const own: RedisConnection = {
      client: () => connection.client(),
      close() {
        if (users.delete(own) && users.size === 0) connection.close()
      },
    }
    users.add(own)
    return own
  }
}
