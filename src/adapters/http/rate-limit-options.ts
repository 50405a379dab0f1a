import { z } from 'zod'
import { callable, hasMethods, parseOptions } from '../../kernel/options.ts'
import type { Limiter, LimitNames } from '../../ports/limiter.ts'
import type { Logger } from '../../ports/logger.ts'

/**
 * How requests are limited. What `key`, `names`, `cost` or `skip` throw, or reject with, is an error of the request: the
 * framework answers it, usually with 500, and nothing is booked.
 */
export interface RateLimitOptions<Request, Response> {
  readonly limiter: Limiter
  /** The limits to ask, all or nothing, or what gives them for a request. */
  readonly names: LimitNames | ((request: Request) => LimitNames | Promise<LimitNames>)
  /** Whose limits they are: an organization, a token, an address. 1 to 128 characters. */
  readonly key: (request: Request) => string | Promise<string>
  /** What a request costs under each name that has no cost of its own: a whole number of at least 1. Default: 1. */
  readonly cost?: number | ((request: Request) => number | Promise<number>) | undefined
  /** Requests that pass unasked and uncounted. Default: none. */
  readonly skip?: ((request: Request) => boolean | Promise<boolean>) | undefined
  /** Answers that should not have counted: what was booked for them is given back. Default: none. */
  readonly refundWhen?: ((response: Response) => boolean | Promise<boolean>) | undefined
  /** Whether `X-RateLimit-*` goes out beside `RateLimit` and `RateLimit-Policy`. Default: true. */
  readonly legacyHeaders?: boolean | undefined
  /** Is told of refunds that failed. Default: the framework's where it has one, else nobody. */
  readonly logger?: Logger | undefined
}

/** @throws ConfigError naming the path, the value and what was expected */
export function checkRateLimitOptions<Request, Response>(
  options: RateLimitOptions<Request, Response>,
): RateLimitOptions<Request, Response> {
  return parseOptions(schema, options, 'rateLimit') as RateLimitOptions<Request, Response>
}

type Given = RateLimitOptions<never, never>

const named: z.ZodType = z.union([
  z.string().min(1),
  z.strictObject({ name: z.string().min(1), cost: z.number().int().min(1).optional() }),
])

const schema: z.ZodType<Given> = z.strictObject({
  limiter: z.custom<Limiter>((value) => hasMethods(value, ['check', 'refund']), 'expected a limiter'),
  names: z.custom<Given['names']>(
    (value) =>
      typeof value === 'function' || z.union([z.string().min(1), z.array(named).min(1)]).safeParse(value).success,
    "expected a limit's name, a list of names, or a function that gives them",
  ),
  key: callable<Given['key']>(),
  cost: z
    .custom<Given['cost']>(
      (value) => typeof value === 'function' || (Number.isSafeInteger(value) && Number(value) >= 1),
      'expected a whole number of at least 1, or a function that gives one',
    )
    .optional(),
  skip: callable<NonNullable<Given['skip']>>().optional(),
  refundWhen: callable<NonNullable<Given['refundWhen']>>().optional(),
  legacyHeaders: z.boolean().optional(),
  logger: z
    .custom<Logger>((value) => hasMethods(value, ['info', 'warn', 'error']), 'expected info, warn and error')
    .optional(),
})
