import { type Attempt, LazyAttempt } from './attempt.ts'
import { planRetry, type RetryPlan, type RetryPolicy } from './retry-policy.ts'
import { retryAfterFirst, type RetryResult, runWithRetry } from './run-with-retry.ts'
import type { TimeAndChance } from '../time-and-chance.ts'

/**
 * Makes a function that runs work, and runs it again while its errors are worth it, with growing, jittered delays.
 *
 * Not again when the error is not retryable, a breaker is open, the attempts or the budget are used up, or the delay
 * would reach the deadline. The delay is at least what `Retry-After` asks for, and never above `maxDelayMs`. The deadline
 * also ends an attempt that is under way: its signal aborts, and what it does afterwards is ignored.
 *
 * It rejects with the last error of the work, unchanged; with a `TimeoutError` when the deadline passes before there is
 * one; with the signal's reason, at once, when `policy.signal` aborts. `node:diagnostics_channel` carries every retry as
 * `switchgear:retry`.
 * @throws ConfigError
 */
export function retry(
  policy: RetryPolicy = {},
  surroundings: TimeAndChance = {},
): <T>(work: (attempt: Attempt) => Promise<T>) => Promise<T> {
  const plan = planRetry(policy, surroundings)
  if (plan.deadlineMs !== undefined || plan.signal !== undefined) {
    return async (work) => unwrapped(await runWithRetry(plan, work))
  }
  return (work) => firstAttempt(plan, work)
}

/**
 * Most calls succeed at once: they pay for one attempt, and for nothing else. No `async`, which would cost as much again
 * as the work's own promise.
 */
function firstAttempt<T>(plan: RetryPlan, work: (attempt: Attempt) => Promise<T>): Promise<T> {
  const again = async (error: unknown): Promise<T> => unwrapped(await retryAfterFirst(plan, work, error))
  try {
    plan.budget?.recordCall()
    const first = work(new LazyAttempt(1))
    return (first instanceof Promise ? first : Promise.resolve(first)).then(undefined, again)
  } catch (error) {
    return again(error)
  }
}

function unwrapped<T>(result: RetryResult<T>): T {
  if (result.ok) return result.value
  throw result.thrown
}
