import { z } from 'zod'
import { redisConnection, type RedisConnection, type RedisPlace } from '../adapters/redis/connection.ts'
import { redisLetters } from '../adapters/redis/letters.ts'
import { isOutage } from '../adapters/redis/outage.ts'
import { checkFleetName } from '../kernel/names.ts'
import { durationMs, parseOptions } from '../kernel/options.ts'
import { systemClock } from '../ports/clock.ts'
import { quietly, silentLogger } from '../ports/logger.ts'
import { systemRandom } from '../ports/random.ts'
import { checkedBy, redisPlaceFields } from './redis-place.ts'
import { type SpillOptions, spillingTo, spillSchema } from './spill.ts'
import {
  deadLetterQueueDefaults,
  deadLetterQueueFields,
  type DeadLetterQueueOptions,
} from '../streams/dead-letters/dead-letter-queue-options.ts'
import { type DeadLetters, deadLetterQueue } from '../streams/dead-letters/dead-letter-queue.ts'
import { sharedDeadline } from '../streams/store-guards/shared-deadline.ts'

export interface RedisDeadLettersOptions extends RedisPlace, DeadLetterQueueOptions {
  /** Instances of one fleet share letters; 1 to 64 of `A-Z a-z 0-9 _ -`; `default`. */
  readonly fleet?: string | undefined
  /** What one command to Redis may take, in ms; 250. */
  readonly deadlineMs?: number | undefined
  /**
   * Where letters wait that Redis does not take within `deadlineMs`; they are brought there when it is back, also after a
   * restart. Default: nowhere, and `enqueue` rejects with `UnavailableError` while Redis is away.
   */
  readonly spill?: SpillOptions | undefined
}

export const redisDeadLettersDefaults: Readonly<{ fleet: string; deadlineMs: number }> = Object.freeze({
  fleet: 'default',
  deadlineMs: 250,
})

/**
 * Dead letters that all instances of a fleet share, in Redis 6.2 or later. Redis must keep what it has (`appendonly yes`,
 * `maxmemory-policy noeviction`): a letter is as safe as it is there. It does not wait for the connection; what comes before
 * it stands waits for it, up to the deadline.
 * @throws ConfigError
 */
export function redisDeadLetters(options: RedisDeadLettersOptions): DeadLetters {
  const { url, connection, ...given } = parseOptions(schema, options, 'redisDeadLetters')
  const { clock = systemClock, random = systemRandom } = given
  return deadLettersOver(redisConnection({ url, connection }, { clock, random }, 'redisDeadLetters'), given)
}

/** Dead letters over a connection, with options that were checked. */
export function deadLettersOver(
  connection: RedisConnection,
  options: Omit<RedisDeadLettersOptions, keyof RedisPlace>,
): DeadLetters {
  const {
    fleet = redisDeadLettersDefaults.fleet,
    deadlineMs = redisDeadLettersDefaults.deadlineMs,
    spill,
    ...given
  } = options
  const { clock = systemClock, random = systemRandom, retentionDays = deadLetterQueueDefaults.retentionDays } = given
  const store = redisLetters({
    connection,
    fleet,
    retentionMs: retentionDays * 86_400_000,
    inTime: sharedDeadline(clock, deadlineMs, 'Redis'),
    clock,
  })
  const logger = quietly(given.logger ?? silentLogger)
  const spilling = spillingTo(spill, store, { fleet, deadlineMs, clock, random, logger, isOutage })
  return { ...deadLetterQueue(spilling, given), fleet }
}

/** The options as fields of a schema, beside those of the place. */
export const redisDeadLettersFields: {
  readonly [K in Exclude<keyof RedisDeadLettersOptions, keyof RedisPlace>]-?: z.ZodOptional<
    z.ZodType<NonNullable<RedisDeadLettersOptions[K]>>
  >
} = {
  ...deadLetterQueueFields,
  fleet: checkedBy<string>(checkFleetName).optional(),
  deadlineMs: durationMs.optional(),
  spill: spillSchema.optional(),
}

const schema: z.ZodType<RedisDeadLettersOptions> = z.strictObject({ ...redisPlaceFields, ...redisDeadLettersFields })
