import { z } from 'zod'
import type { ClassifiedError } from '../../kernel/classify.ts'
import { ConfigError } from '../../kernel/errors.ts'
import { callable, durationMs, parseOptions, shown } from '../../kernel/options.ts'
import type { Clock } from '../../ports/clock.ts'
import type { LimitNames } from '../../ports/limiter.ts'
import type { Random } from '../../ports/random.ts'
import { planRetry, type RetryPlan, type RetryPolicy } from '../retry/retry-policy.ts'
import type { Describe } from '../dead-letters/write-dead-letter.ts'

export interface SafeCallOptions<T> {
  /** The name of the breaker that guards the work. */
  readonly breaker: string
  /** How to retry; what it does not say is as the instance was told. */
  readonly retry?: RetryPolicy | undefined
  /** A limit of the caller's own, asked before anything else; over it, the call is refused. */
  readonly limit?: LimitOptions | undefined
  /** How long one attempt may take, in ms. Default: no limit but the breaker's own `timeoutMs`. */
  readonly timeoutMs?: number | undefined
  /** Describes the letter of a call that failed for good, or that an open breaker refused. */
  readonly deadLetter?: Describe | undefined
  /** What stands in for the value then, or what makes it. Not asked when the caller's limit refused, or the caller aborted. */
  readonly fallback?: NoInfer<T> | Fallback<NoInfer<T>> | undefined
  /** Ends the call, at once. */
  readonly signal?: AbortSignal | undefined
}

export interface LimitOptions {
  /** Whose limits: an organization. */
  readonly key: string
  readonly names: LimitNames
}

/** The options, checked. */
export interface SafeCallPlan<T> {
  readonly breaker: string
  readonly retry: RetryPlan
  readonly limit: LimitOptions | undefined
  readonly timeoutMs: number | undefined
  readonly deadLetter: Describe | undefined
  readonly fallback: Fallback<T> | undefined
  readonly signal: AbortSignal | undefined
  /** A refusal of the breaker is the whole outcome: nobody has to be asked before, nothing is to be done after. */
  readonly endsWithRefusal: boolean
}

export type Fallback<T> = (error: ClassifiedError) => T | Promise<T>

export interface SafeCallDefaults {
  readonly retry?: RetryPolicy | undefined
  /** How long a call may take with its retries, in ms, where neither its policy nor the default policy says. */
  readonly deadlineMs?: number | undefined
  readonly clock: Clock
  readonly random: Random
}

/**
 * Reads and checks options. Each retry policy is read once: callers on a hot path keep theirs, and do not change it.
 * @throws ConfigError, also where the options throw as they are read
 */
export function safeCallReader(defaults: SafeCallDefaults): <T>(options: SafeCallOptions<T>) => SafeCallPlan<T> {
  const retryPlan = retryPlanner(defaults)
  return <T>(options: SafeCallOptions<T>) => {
    try {
      const given = ifRight(options) ?? parseOptions(schema, options, 'safeCall')
      return planOf(given, retryPlan) as SafeCallPlan<T>
    } catch (error) {
      if (error instanceof ConfigError) throw error
      throw new ConfigError('safeCall', 'the options cannot be read', { cause: error })
    }
  }
}

/** @throws ConfigError */
export function checkWork(work: unknown): void {
  if (typeof work !== 'function') throw new ConfigError('work', `expected a function (given: ${shown(work)})`)
}

const schema: z.ZodType<SafeCallOptions<unknown>> = z.strictObject({
  breaker: z.string(),
  retry: z.custom<RetryPolicy>((value) => typeof value === 'object' && value !== null, 'expected an object').optional(),
  limit: z
    .strictObject({ key: z.string(), names: z.custom<LimitNames>((value) => value !== undefined, 'expected names') })
    .optional(),
  timeoutMs: durationMs.optional(),
  deadLetter: callable<Describe>().optional(),
  fallback: z.unknown().optional(),
  signal: z.custom<AbortSignal>(isSignal, 'expected an AbortSignal').optional(),
})

/**
 * The options where they are plainly right, which takes a tenth of the time that the schema needs: a refused call must
 * not cost more than the refusal. Where this has doubts, the schema decides, and says what is wrong.
 */
function ifRight(options: unknown): SafeCallOptions<unknown> | undefined {
  if (typeof options !== 'object' || options === null) return undefined
  const given: Readonly<Record<string, unknown>> = { ...options }
  for (const key in given) {
    const isRight = plainRules.get(key)
    if (isRight === undefined || !(given[key] === undefined || isRight(given[key]))) return undefined
  }
  return hasBreaker(given) ? given : undefined
}

function hasBreaker(
  given: Readonly<Record<string, unknown>>,
): given is Readonly<Record<string, unknown>> & SafeCallOptions<unknown> {
  return given['breaker'] !== undefined
}

const isFunction = (value: unknown): boolean => typeof value === 'function'

/** No laxer than the schema; `limit` is left to it. */
const plainRules: ReadonlyMap<string, (value: unknown) => boolean> = new Map([
  ['breaker', (value) => typeof value === 'string'],
  ['retry', (value) => typeof value === 'object' && value !== null],
  ['timeoutMs', (value) => typeof value === 'number' && value >= 1 && value <= 86_400_000],
  ['deadLetter', isFunction],
  ['fallback', () => true],
  ['signal', isSignal],
])

function planOf(
  given: SafeCallOptions<unknown>,
  retryPlan: (policy: RetryPolicy | undefined) => RetryPlan,
): SafeCallPlan<unknown> {
  const { breaker, limit, timeoutMs, deadLetter, signal } = given
  const retry = retryPlan(given.retry)
  const fallback = fallbackOf(given.fallback)
  const endsWithRefusal = limit === undefined && deadLetter === undefined && fallback === undefined
  return { breaker, retry, limit, timeoutMs, deadLetter, fallback, signal, endsWithRefusal }
}

function fallbackOf(given: unknown): Fallback<unknown> | undefined {
  if (given === undefined) return undefined
  return isMaker(given) ? given : () => given
}

function isMaker(given: unknown): given is Fallback<unknown> {
  return typeof given === 'function'
}

function retryPlanner({ retry, deadlineMs, clock, random }: SafeCallDefaults) {
  const make = (policy: RetryPolicy | undefined): RetryPlan =>
    planRetry({ deadlineMs, ...said(retry), ...said(policy) }, { clock, random }, 'safeCall.retry')
  const plans = new WeakMap<RetryPolicy, RetryPlan>()
  const usual = make(undefined)
  return (policy: RetryPolicy | undefined): RetryPlan => {
    if (policy === undefined) return usual
    const plan = plans.get(policy) ?? make(policy)
    plans.set(policy, plan)
    return plan
  }
}

/** What a policy says: a field that is there and `undefined` says nothing. */
function said(policy: RetryPolicy = {}): RetryPolicy {
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined))
}

/** A signal that a proxy stands in front of cannot be asked. */
function isSignal(value: unknown): boolean {
  return value instanceof AbortSignal && typeof value.aborted === 'boolean'
}
