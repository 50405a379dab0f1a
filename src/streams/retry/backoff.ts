import { z } from 'zod'
import { growingDelay, type Jitter, jitterDefault, jitterSchema } from '../../kernel/jitter.ts'
import { durationMs, parseOptions } from '../../kernel/options.ts'
import { type Random, systemRandom } from '../../ports/random.ts'
import { type TimeAndChance, timeAndChanceFields } from '../time-and-chance.ts'

/** How long to wait between attempts. */
export interface BackoffPolicy {
  /** Delay before the second attempt, in ms; above 0, at most 2^31 − 1. Default 1,000. */
  readonly baseDelayMs?: number | undefined
  /** Ceiling of every delay, jitter and `Retry-After` included, in ms; above 0, at most 2^31 − 1. Default 60,000. */
  readonly maxDelayMs?: number | undefined
  /** Growth from one delay to the next; at least 1. Default 2. */
  readonly multiplier?: number | undefined
  /** How the delay is spread. Default `{ ratio: 0.1 }`, which is ±10 %. */
  readonly jitter?: Jitter | undefined
}

export const backoffDefaults: {
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  readonly multiplier: number
  readonly jitter: Jitter
} = Object.freeze({ baseDelayMs: 1_000, maxDelayMs: 60_000, multiplier: 2, jitter: jitterDefault })

/** The policy as fields of an options schema. */
export const backoffFields: {
  readonly [K in keyof BackoffPolicy]-?: z.ZodOptional<z.ZodType<NonNullable<BackoffPolicy[K]>>>
} = {
  baseDelayMs: durationMs.optional(),
  maxDelayMs: durationMs.optional(),
  multiplier: z.number().min(1).optional(),
  jitter: jitterSchema.optional(),
}

const schema: z.ZodType<BackoffPolicy & TimeAndChance> = z.strictObject({ ...backoffFields, ...timeAndChanceFields })

/**
 * The delay after attempt `attempt` (1 is the first), in ms; from 0 to `maxDelayMs`, and finite for any attempt.
 * `previousDelayMs` is the delay before, which only `decorrelated` jitter uses; default: the base.
 */
export type Backoff = (attempt: number, previousDelayMs?: number) => number

/**
 * Exponential backoff: `min(baseDelayMs * multiplier^(attempt - 1), maxDelayMs)`, then jittered, never above
 * `maxDelayMs`. A base above the ceiling is the ceiling.
 * @throws ConfigError
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoff(
  policy: BackoffPolicy & TimeAndChance = {},
  { random }: Pick<TimeAndChance, 'random'> = {},
): Backoff {
  const checked = parseOptions(schema, policy, 'backoff')
  return backoffOf(checked, random ?? checked.random ?? systemRandom)
}

/** The same for a policy that was checked already. */
export function backoffOf(policy: BackoffPolicy, random: Random): Backoff {
  const baseMs = policy.baseDelayMs ?? backoffDefaults.baseDelayMs
  const maxMs = policy.maxDelayMs ?? backoffDefaults.maxDelayMs
  const multiplier = policy.multiplier ?? backoffDefaults.multiplier
  const jitter = policy.jitter ?? backoffDefaults.jitter
  const delay = { baseMs, maxMs, multiplier, jitter }
  return (attempt, previousDelayMs = baseMs) => {
    // Number.MAX_SAFE_INTEGER, since 1 ** Infinity is NaN.
    const step = attempt > 1 ? Math.min(attempt - 1, Number.MAX_SAFE_INTEGER) : 0
    return growingDelay(delay, step, random.next(), previousDelayMs >= 0 ? previousDelayMs : baseMs)
  }
}
