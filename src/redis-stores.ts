import { z } from 'zod'
import { redisConnection, type RedisConnection } from './adapters/redis/connection.ts'
import { parseOptions } from './kernel/options.ts'
import { systemClock } from './ports/clock.ts'
import type { Limiter } from './ports/limiter.ts'
import { systemRandom } from './ports/random.ts'
import { deadLettersOver, redisDeadLettersFields, type RedisDeadLettersOptions } from './redis-dead-letters.ts'
import { limiterOver, redisLimiterFields, type RedisLimiterOptions } from './redis-limiter.ts'
import { redisPlaceFields } from './redis-place.ts'
import type { DeadLetters } from './streams/dead-letter-queue.ts'

/** The options of all stores; `deadlineMs`, where it is given, is of each. */
export interface RedisStoresOptions extends RedisLimiterOptions, RedisDeadLettersOptions {}

export interface RedisStores {
  readonly limiter: Limiter
  readonly deadLetters: DeadLetters
}

/**
 * Everything that instances share in Redis, on one connection: it is closed with the last store that is.
 * @throws ConfigError
 */
export function redisStores(options: RedisStoresOptions): RedisStores {
  const given = parseOptions(schema, options, 'redisStores')
  const { clock = systemClock, random = systemRandom } = given
  const { limits, onUnavailable, url, connection, ...common } = given
  const { fleet, deadlineMs, logger } = common
  const [first, second] = sharedByTwo(redisConnection({ url, connection }, { clock, random }, 'redisStores'))
  return {
    limiter: limiterOver(first, { fleet, deadlineMs, logger, clock, random, limits, onUnavailable }),
    deadLetters: deadLettersOver(second, common),
  }
}

const schema: z.ZodType<RedisStoresOptions> = z.strictObject({
  ...redisPlaceFields,
  ...redisLimiterFields,
  ...redisDeadLettersFields,
})

function sharedByTwo(connection: RedisConnection): readonly [RedisConnection, RedisConnection] {
  const users = new Set<RedisConnection>()
  const user = (): RedisConnection => {
    const own: RedisConnection = {
      client: () => connection.client(),
      close() {
        if (users.delete(own) && users.size === 0) connection.close()
      },
    }
    users.add(own)
    return own
  }
  return [user(), user()]
}
