import { z } from 'zod'
import { memoryWindows } from '../adapters/memory/limiter.ts'
import { redisConnection, type RedisConnection, type RedisPlace } from '../adapters/redis/connection.ts'
import { redisUsage } from '../adapters/redis/limit-usage.ts'
import { redisWindows } from '../adapters/redis/limiter.ts'
import { isOutage } from '../adapters/redis/outage.ts'
import { checkFleetName } from '../kernel/names.ts'
import { durationMs, hasMethods, parseOptions } from '../kernel/options.ts'
import { type Clock, isClock, systemClock } from '../ports/clock.ts'
import type { Limiter, Limits } from '../ports/limiter.ts'
import { checkLimits, defaultLimits } from '../ports/limits.ts'
import { type Logger, quietly, silentLogger } from '../ports/logger.ts'
import { isRandom, type Random, systemRandom } from '../ports/random.ts'
import { checkedBy, redisPlaceFields } from './redis-place.ts'
import { guardedLimiter, type OnUnavailable } from '../streams/limiter/guarded-limiter.ts'

export interface RedisLimiterOptions extends RedisPlace {
  /** Instances of one fleet share limits; 1 to 64 of `A-Z a-z 0-9 _ -`; `default`. */
  readonly fleet?: string | undefined
  /** Limits by name; `defaultLimits`. All instances of a fleet should have the same. */
  readonly limits?: Limits | undefined
  /** An answer within this, in ms, whatever Redis does; 100. */
  readonly deadlineMs?: number | undefined
  /** While Redis cannot be asked: allow (`open`, the default), refuse, or let each instance limit by itself. */
  readonly onUnavailable?: OnUnavailable | undefined
  /** Hears when Redis stops answering and when it answers again; silent. */
  readonly logger?: Logger | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

export const redisLimiterDefaults: Readonly<{ fleet: string; deadlineMs: number; onUnavailable: OnUnavailable }> =
  Object.freeze({ fleet: 'default', deadlineMs: 100, onUnavailable: 'open' })

/**
 * Rate limits that all instances of a fleet share: one round trip for each request, however many limits it is about. It
 * does not wait for the connection; requests that come before it stands wait for it, up to the deadline.
 * @throws ConfigError
 */
export function redisLimiter(options: RedisLimiterOptions): Limiter {
  const given = parseOptions(schema, options, 'redisLimiter')
  const { clock = systemClock, random = systemRandom } = given
  return limiterOver(redisConnection(given, { clock, random }, 'redisLimiter'), given)
}

/** A limiter over a connection, with options that were checked. */
export function limiterOver(connection: RedisConnection, given: Omit<RedisLimiterOptions, keyof RedisPlace>): Limiter {
  const { clock = systemClock, random = systemRandom } = given
  const fleet = given.fleet ?? redisLimiterDefaults.fleet
  const definitions = given.limits ?? defaultLimits
  const limits = checkLimits(definitions)
  const guarded = guardedLimiter(redisWindows({ connection, fleet, limits }), {
    limits,
    deadlineMs: given.deadlineMs ?? redisLimiterDefaults.deadlineMs,
    onUnavailable: given.onUnavailable ?? redisLimiterDefaults.onUnavailable,
    local: memoryWindows({ limits: definitions, clock, random }),
    clock,
    random,
    logger: quietly(given.logger ?? silentLogger),
    isOutage,
    usage: redisUsage({ connection, fleet, clock }),
  })
  return { ...guarded, fleet }
}

/** The options as fields of a schema, beside those of the place. */
export const redisLimiterFields: {
  readonly [K in Exclude<keyof RedisLimiterOptions, keyof RedisPlace>]-?: z.ZodOptional<
    z.ZodType<NonNullable<RedisLimiterOptions[K]>>
  >
} = {
  fleet: checkedBy<string>(checkFleetName).optional(),
  limits: checkedBy<Limits>(checkLimits).optional(),
  deadlineMs: durationMs.optional(),
  onUnavailable: z.enum(['open', 'closed', 'local']).optional(),
  logger: z.custom<Logger>((value) => hasMethods(value, ['info', 'warn', 'error']), 'expected a logger').optional(),
  clock: z.custom<Clock>(isClock, 'expected a clock').optional(),
  random: z.custom<Random>(isRandom, 'expected a source of chance').optional(),
}

const schema: z.ZodType<RedisLimiterOptions> = z.strictObject({ ...redisPlaceFields, ...redisLimiterFields })
