import type { Observable } from 'rxjs'
import { z } from 'zod'
import type { ClassifiedError } from '../../kernel/classify.ts'
import { ConfigError } from '../../kernel/errors.ts'
import { callable, count, durationMs, durationMsMax, hasMethods, parseOptions } from '../../kernel/options.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { Call } from '../../machines/breaker-options.ts'
import { type Clock, systemClock } from '../../ports/clock.ts'
import type { Limiter, LimitNames } from '../../ports/limiter.ts'
import { type Logger, quietly, silentLogger } from '../../ports/logger.ts'
import type { Description, LetterSink } from '../dead-letters/write-dead-letter.ts'
import { planRetry, type RetryPlan, type RetryPolicy } from '../retry/retry-policy.ts'
import { type TimeAndChance, timeAndChanceFields } from '../time-and-chance.ts'
import { type DestinationHolds, destinationHolds, quietHolds } from './destination-holds.ts'
import type { PipelineGauge } from './pipeline-gauge.ts'

/** What became of an item, and the item. */
export type Delivered<T, R> = Outcome<R> & { readonly item: T }

/** As much of a breaker as `deliver` needs; that of `gear.breaker(name)` has it. */
export interface DeliverBreaker {
  readonly name: string
  readonly settings: { readonly timeoutMs: number | undefined }
  /** Whether every call passes at this moment. */
  readonly passes: boolean
  readonly state$: Observable<unknown>
  run<R>(work: (call: Call) => Promise<R> | R, options?: { readonly signal?: AbortSignal }): Promise<R>
  refusedForMs(): number | undefined
}

export interface DeliverLimit<T> {
  readonly limiter: Pick<Limiter, 'check' | 'refund'>
  /** What each item is counted under; `undefined`: under nothing, since it was counted before. */
  readonly names: LimitNames | ((item: T) => LimitNames | undefined)
  /** Whose limits: an organization. Default: the item's `key`. */
  readonly key?: ((item: T) => string) | undefined
  /** `wait`: until it would be allowed. `refuse`: the item ends as `refused`, `rateLimited`. Default `wait`. */
  readonly onLimited?: 'wait' | 'refuse' | undefined
}

export interface DeliverOptions<T, R> extends TimeAndChance {
  /**
   * Delivers an item: it is delivered when this resolves, and the attempt has failed when it rejects or throws.
   * `call.signal` aborts when nobody waits for it any more.
   */
  readonly to: (item: T, call: Call) => Promise<R> | R
  /** The breaker that guards the delivery, or what gives an item's, if it has one: a destination. Default: none. */
  readonly through?: DeliverBreaker | ((item: T) => DeliverBreaker | undefined) | undefined
  /** How to try again, as in `retry`. Its `deadlineMs` counts from the first attempt, without the time that the destination was not to be asked. */
  readonly retry?: RetryPolicy | undefined
  /** How long one attempt may take, in ms. Default: no limit but the breaker's own `timeoutMs`. */
  readonly timeoutMs?: number | undefined
  /** Items that are on their way at the same time, waits between attempts included; at least 1, default 32. */
  readonly concurrency?: number | undefined
  /** Items that wait for a place, a limit or a destination; 0 or more, default 1,000. */
  readonly maxWaiting?: number | undefined
  /** Among whom places are shared fairly, an organization: a key with many items does not delay those of the others. Default: all the same. */
  readonly key?: ((item: T) => string) | undefined
  /** Whether the items of a key are delivered one after the other, in their order. Default false. */
  readonly ordered?: boolean | undefined
  /** A limit that is asked before the first attempt of each item. */
  readonly limit?: DeliverLimit<T> | undefined
  /**
   * What happens while the breaker is open. `wait`: the item waits, and no attempt is spent. `deadLetter`: it ends with a
   * letter of type `circuit_open`. `refuse`: it ends as `refused`, `breakerOpen`. One that was attempted before ends with
   * its last error in both. Default `wait`.
   */
  readonly whenOpen?: 'wait' | 'deadLetter' | 'refuse' | undefined
  /**
   * How long an item may have to wait in hand for its destination, in ms; 0 or more. One that would wait longer, for an open
   * breaker or by a `Retry-After`, ends as `refused`, `breakerOpen`, with `retryAfterMs`: for a source that keeps until then
   * what it has back, and bounds how often; not for `fromJetStream`, to which each return is one delivery more. An attempt that was answered with such a `Retry-After` is not the last one.
   * Default: as long as it takes.
   */
  readonly waitInHandMs?: number | undefined
  /** How old an item may be when an attempt begins, in ms; one that waits longer ends as `expired`. Default: no limit. */
  readonly maxAgeMs?: number | ((item: T) => number) | undefined
  /** Since when an item's age counts, in ms since the epoch. Default: since it came. */
  readonly acceptedAt?: ((item: T) => number) | undefined
  /** Where what failed for good is kept; its letter is written before its outcome is told. Default: nowhere, and it ends as `failed`. */
  readonly deadLetter?:
    | { readonly queue: LetterSink; readonly describe: (item: T, error: ClassifiedError) => Description }
    | undefined
  /** What ends one item, at once, as `refused`, `aborted`. */
  readonly signalOf?: ((item: T) => AbortSignal | undefined) | undefined
  /** Drains: nothing more is taken, what waits is handed back as `refused`, `closing`, what is being sent has `drainMs`. Then it completes. */
  readonly signal?: AbortSignal | undefined
  /** How long what is being sent may still take when `signal` has aborted, in ms; 0 or more, default 5,000. */
  readonly drainMs?: number | undefined
  /** Who asked to be left alone by `Retry-After`. Where it throws, nobody did. Default: known to this pipeline alone. */
  readonly holds?: DestinationHolds | undefined
  /** Says what is in hand; `pipelineGauge()`, which several pipelines may share. Default: nobody asks. */
  readonly gauge?: PipelineGauge | undefined
  /** Hears of letters that could not be written and limiters that failed. Default: nobody. */
  readonly logger?: Logger | undefined
}

export const deliverDefaults: Readonly<{ concurrency: number; maxWaiting: number; drainMs: number }> = Object.freeze({
  concurrency: 32,
  maxWaiting: 1_000,
  drainMs: 5_000,
})

type Options = DeliverOptions<unknown, unknown>

/** The options, checked, with their defaults. */
export interface DeliverPlan extends Pick<
  Options,
  'to' | 'timeoutMs' | 'key' | 'limit' | 'acceptedAt' | 'deadLetter' | 'signalOf' | 'signal' | 'gauge'
> {
  /** What gives the breaker of an item; `undefined` where all have the same, or none. */
  readonly breakerOf: ((item: unknown) => DeliverBreaker | undefined) | undefined
  readonly breaker: DeliverBreaker | undefined
  readonly retry: RetryPlan
  readonly concurrency: number
  readonly maxWaiting: number
  readonly ordered: boolean
  readonly whenOpen: 'wait' | 'deadLetter' | 'refuse'
  readonly waitInHandMs: number
  readonly maxAgeOf: ((item: unknown) => number) | undefined
  readonly drainMs: number
  readonly holds: DestinationHolds
  readonly logger: Logger
  readonly clock: Clock
}

/** @throws ConfigError */
export function planDeliver(options: unknown, surroundings: TimeAndChance): DeliverPlan {
  const given = parseOptions(schema, options, 'deliver')
  const { to, timeoutMs, key, limit, acceptedAt, deadLetter, signalOf, signal, gauge } = given
  const { through, maxAgeMs, whenOpen = 'wait' } = given
  if (whenOpen === 'deadLetter' && deadLetter === undefined)
    throw new ConfigError('deliver.whenOpen', "'deadLetter' needs deadLetter: { queue, describe }")
  if (limit !== undefined && (limit.key ?? key) === undefined)
    throw new ConfigError('deliver.limit.key', 'expected what gives the key of an item, here or as deliver.key')
  const clock = surroundings.clock ?? given.clock ?? systemClock
  const random = surroundings.random ?? given.random
  return {
    ...{ to, timeoutMs, key, limit, acceptedAt, deadLetter, signalOf, signal, gauge, whenOpen, clock },
    breakerOf: typeof through === 'function' ? through : undefined,
    breaker: typeof through === 'function' ? undefined : through,
    retry: planRetry(given.retry, { clock, random }, 'deliver.retry'),
    concurrency: given.concurrency ?? deliverDefaults.concurrency,
    maxWaiting: given.maxWaiting ?? deliverDefaults.maxWaiting,
    ordered: given.ordered ?? false,
    waitInHandMs: given.waitInHandMs ?? Infinity,
    maxAgeOf: typeof maxAgeMs === 'number' ? () => maxAgeMs : maxAgeMs,
    drainMs: given.drainMs ?? deliverDefaults.drainMs,
    holds: given.holds === undefined ? destinationHolds({ clock }) : quietHolds(given.holds),
    logger: quietly(given.logger ?? silentLogger),
  }
}

const anyOf =
  (...names: readonly string[]) =>
  (value: unknown): boolean =>
    hasMethods(value, names)

const schema: z.ZodType<Options> = z.strictObject({
  ...timeAndChanceFields,
  to: callable<Options['to']>(),
  through: z
    .custom<DeliverBreaker | ((item: unknown) => DeliverBreaker | undefined)>(
      (value) => typeof value === 'function' || hasMethods(value, ['run', 'refusedForMs']),
      'expected a breaker, or what gives the breaker of an item',
    )
    .optional(),
  retry: z.custom<RetryPolicy>((value) => typeof value === 'object' && value !== null, 'expected an object').optional(),
  timeoutMs: durationMs.optional(),
  concurrency: count.optional(),
  maxWaiting: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  key: callable<(item: unknown) => string>().optional(),
  ordered: z.boolean().optional(),
  limit: z
    .strictObject({
      limiter: z.custom<Pick<Limiter, 'check' | 'refund'>>(anyOf('check', 'refund'), 'expected a limiter'),
      names: z.custom<DeliverLimit<unknown>['names']>((value) => value !== undefined, 'expected names'),
      key: callable<(item: unknown) => string>().optional(),
      onLimited: z.enum(['wait', 'refuse']).optional(),
    })
    .optional(),
  whenOpen: z.enum(['wait', 'deadLetter', 'refuse']).optional(),
  waitInHandMs: z.number().min(0).max(durationMsMax).optional(),
  maxAgeMs: z.union([durationMs, callable<(item: unknown) => number>()]).optional(),
  acceptedAt: callable<(item: unknown) => number>().optional(),
  deadLetter: z
    .strictObject({
      queue: z.custom<LetterSink>(anyOf('enqueue'), 'expected a queue of dead letters'),
      describe: callable<(item: unknown, error: ClassifiedError) => Description>(),
    })
    .optional(),
  signalOf: callable<(item: unknown) => AbortSignal | undefined>().optional(),
  signal: z.instanceof(AbortSignal, { error: 'expected an AbortSignal' }).optional(),
  drainMs: z.number().min(0).max(durationMsMax).optional(),
  holds: z.custom<DestinationHolds>(anyOf('hold', 'leftMs'), 'expected destinationHolds()').optional(),
  gauge: z.custom<PipelineGauge>(anyOf('add', 'counts'), 'expected pipelineGauge()').optional(),
  logger: z.custom<Logger>(anyOf('info', 'warn', 'error'), 'expected info, warn and error').optional(),
})
