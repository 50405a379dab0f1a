import { z } from 'zod'
import type { Classify, ClassifiedError } from '../../kernel/classify.ts'
import { callable, count, durationMs, hasMethods, parseOptions } from '../../kernel/options.ts'
import { type Clock, systemClock } from '../../ports/clock.ts'
import { systemRandom } from '../../ports/random.ts'
import { type Backoff, backoffDefaults, backoffFields, backoffOf, type BackoffPolicy } from './backoff.ts'
import type { RetryBudget } from './retry-budget.ts'
import { type TimeAndChance, timeAndChanceFields } from '../time-and-chance.ts'

/** When, and how often, to try again. Everything is optional. */
export interface RetryPolicy extends BackoffPolicy, TimeAndChance {
  /** Attempts in total, the first included; at least 1. Default 3. */
  readonly maxAttempts?: number | undefined
  /** How long the whole call may take, waits included, in ms. Default: no limit. */
  readonly deadlineMs?: number | undefined
  /** Caps the share of retries in all calls of the policies that share it. Default: none. */
  readonly budget?: RetryBudget | undefined
  /** Which errors are worth another attempt. Default: the built-in answer, see `docs/ERRORS.md`. */
  readonly classify?: Classify | undefined
  /** Ends every call that runs under this policy. */
  readonly signal?: AbortSignal | undefined
  /** Hears of every retry before its wait. What it throws is ignored. */
  readonly onRetry?: ((retry: RetryNotice) => unknown) | undefined
}

/** A retry that is about to be waited for. */
export interface RetryNotice {
  /** The attempt that failed; 1 is the first. */
  readonly attempt: number
  readonly error: ClassifiedError
  /** How long until the next attempt, in ms. */
  readonly delayMs: number
}

export const maxAttemptsDefault = 3

export const retryPolicySchema: z.ZodType<RetryPolicy> = z.strictObject({
  ...backoffFields,
  ...timeAndChanceFields,
  maxAttempts: count.optional(),
  deadlineMs: durationMs.optional(),
  budget: z
    .custom<RetryBudget>((value) => hasMethods(value, ['recordCall', 'tryRetry']), 'expected a retryBudget')
    .optional(),
  classify: callable<Classify>().optional(),
  signal: z.instanceof(AbortSignal, { error: 'expected an AbortSignal' }).optional(),
  onRetry: callable<(retry: RetryNotice) => unknown>().optional(),
})

/** A policy that was checked, with its defaults, and the clock and chance that it runs on. */
export interface RetryPlan {
  readonly maxAttempts: number
  readonly maxDelayMs: number
  readonly deadlineMs: number | undefined
  readonly budget: RetryBudget | undefined
  readonly classify: Classify | undefined
  readonly signal: AbortSignal | undefined
  readonly onRetry: RetryPolicy['onRetry']
  readonly backoff: Backoff
  readonly clock: Clock
}

/**
 * Checks a policy, once for all the calls that it is for. `at` is where it stands, for the message.
 * @throws ConfigError
 */
export function planRetry(policy: RetryPolicy = {}, surroundings: TimeAndChance = {}, at = 'retry'): RetryPlan {
  const checked = parseOptions(retryPolicySchema, policy, at)
  return {
    maxAttempts: checked.maxAttempts ?? maxAttemptsDefault,
    maxDelayMs: checked.maxDelayMs ?? backoffDefaults.maxDelayMs,
    deadlineMs: checked.deadlineMs,
    budget: checked.budget,
    classify: checked.classify,
    signal: checked.signal,
    onRetry: checked.onRetry,
    backoff: backoffOf(checked, surroundings.random ?? checked.random ?? systemRandom),
    clock: surroundings.clock ?? checked.clock ?? systemClock,
  }
}
