import { z } from 'zod'
import type { RedisClient, RedisPlace } from '../adapters/redis/connection.ts'
import { hasMethods } from '../kernel/options.ts'

/** Where Redis is, as fields of a schema for factories that have more options of their own. */
export const redisPlaceFields: {
  readonly [K in keyof RedisPlace]-?: z.ZodOptional<z.ZodType<NonNullable<RedisPlace[K]>>>
} = {
  url: z.union([z.string(), z.array(z.string())]).optional(),
  connection: z
    .custom<RedisClient>((value) => hasMethods(value, ['callBuffer', 'del', 'once']), 'expected an ioredis client')
    .optional(),
}

/** Refused with what `check` throws while the options are read, which is before anything is opened. */
export function checkedBy<T>(check: (value: unknown) => unknown): z.ZodType<T> {
  return z.custom<T>((value) => check(value) !== undefined)
}
