import { z } from 'zod'
import { callable, count, hasMethods } from '../../kernel/options.ts'
import type { Call } from '../../machines/breaker-options.ts'
import type { Letter } from '../../ports/dead-letters.ts'
import type { Limiter, LimitNames } from '../../ports/limiter.ts'
import { type RetryPolicy, retryPolicySchema } from '../retry/retry-policy.ts'

/** As much of a breaker as a redrive needs; that of `gear.breaker(name)` has it. */
export interface RedriveBreaker {
  run<T>(work: (call: Call) => Promise<T> | T, options?: { readonly signal?: AbortSignal }): Promise<T>
  /** How long calls are refused from now on, in ms; `undefined` while one may pass. */
  refusedForMs?(): number | undefined
}

export interface RedriveLimit {
  readonly limiter: Pick<Limiter, 'check' | 'refund'>
  /** What each letter is counted under. */
  readonly names: LimitNames | ((letter: Letter) => LimitNames)
  /** Whose limits; the letter's organization. */
  readonly key?: ((letter: Letter) => string) | undefined
}

/** How letters are sent again. */
export interface RedriveWorkOptions {
  /**
   * Sends a letter: it is delivered when this resolves, and has failed when it rejects. The letter's `id` is the idempotency
   * key to send along: a letter is given to one worker at a time and is gone once it is delivered, but a worker that dies
   * between the sending and the recording, or that was cut off for longer than its lease, has its letters sent once more.
   * `call.signal` aborts when nobody wants it any more.
   */
  readonly to: (letter: Letter, call: Call) => Promise<unknown>
  /**
   * The breaker that guards the sending, or what gives the letter's. While it is open the job waits, or the letter does and
   * the job goes on with the others; no redrive is spent.
   */
  readonly through?: RedriveBreaker | ((letter: Letter) => RedriveBreaker) | undefined
  /** How to retry within one redrive. Default: one attempt. */
  readonly retry?: RetryPolicy | undefined
  /** A limit that letters wait for. */
  readonly limit?: RedriveLimit | undefined
  /** Letters that this worker has in its hands at the same time; at least 1, default 10. */
  readonly concurrency?: number | undefined
  /** Ends the work of this worker: it gives back what it has, and completes. The job can be worked on later. */
  readonly signal?: AbortSignal | undefined
}

/** What a redrive is bounded by, whoever works on it. */
export interface RedriveBounds {
  /** Letters a second, of all workers together; above 0. Default: no bound. */
  readonly ratePerSecond?: number | undefined
  /** Letters at most; the oldest. Default: all. */
  readonly max?: number | undefined
  /** A letter that was redriven so often without success is parked. Default: as the queue was told, 5. */
  readonly maxRedrives?: number | undefined
}

export interface RedriveOptions extends RedriveWorkOptions, RedriveBounds {}

export const concurrencyDefault = 10

const boundFields = {
  ratePerSecond: z.number().positive().max(1_000_000).optional(),
  max: count.optional(),
  maxRedrives: count.optional(),
}

const workFields = {
  to: callable<RedriveWorkOptions['to']>(),
  through: z
    .custom<NonNullable<RedriveWorkOptions['through']>>(
      (value) => typeof value === 'function' || hasMethods(value, ['run']),
      'expected a breaker, or what gives the breaker of a letter',
    )
    .optional(),
  retry: retryPolicySchema.optional(),
  limit: z
    .strictObject({
      limiter: z.custom<RedriveLimit['limiter']>(
        (value) => hasMethods(value, ['check', 'refund']),
        'expected a limiter',
      ),
      names: z.custom<RedriveLimit['names']>((value) => value !== undefined, 'expected names'),
      key: callable<(letter: Letter) => string>().optional(),
    })
    .optional(),
  concurrency: count.optional(),
  signal: z.instanceof(AbortSignal, { error: 'expected an AbortSignal' }).optional(),
}

export const redriveBoundsSchema: z.ZodType<RedriveBounds> = z.strictObject(boundFields)
export const redriveWorkSchema: z.ZodType<RedriveWorkOptions> = z.strictObject(workFields)
export const redriveSchema: z.ZodType<RedriveOptions> = z.strictObject({ ...boundFields, ...workFields })
