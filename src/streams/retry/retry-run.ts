import { channel } from 'node:diagnostics_channel'
import { classify, type ClassifiedError } from '../../kernel/classify.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import type { RetryNotice, RetryPlan } from './retry-policy.ts'

/** An attempt that failed. */
export interface AttemptError {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly error: ClassifiedError
}

/** The errors of so many attempts are kept, the newest: no letter of a call says that there were more. */
export const attemptErrorsMax = 100

/** Where one call stands with its retries. */
export interface RetryRun {
  readonly plan: RetryPlan
  /** Monotonic. */
  deadlineAt: number
  /** Attempts that were started. */
  attempts: number
  previousDelayMs: number | undefined
  /** What the work threw last. */
  last: { readonly error: ClassifiedError; readonly thrown: unknown } | undefined
  /** The newest, in their order. */
  readonly attemptErrors: AttemptError[]
}

export function newRetryRun(plan: RetryPlan): RetryRun {
  const deadlineAt = plan.deadlineMs === undefined ? Infinity : plan.clock.monotonic() + plan.deadlineMs
  return { plan, deadlineAt, attempts: 0, previousDelayMs: undefined, last: undefined, attemptErrors: [] }
}

/** What follows from a failed attempt. With `gaveUp` it is the end; else there is one more attempt after `delayMs`. */
export interface NextStep {
  readonly error: ClassifiedError
  readonly delayMs: number
}

/**
 * Takes in what an attempt failed with, and says what follows: the one place of that rule, for `retry`, `safeCall` and
 * `deliver`. A retry that is to be made was counted in the budget, and announced.
 */
export function afterFailedAttempt(run: RetryRun, thrown: unknown): NextStep {
  const { plan } = run
  const now = plan.clock.now()
  const error = classify(thrown, { now, ...(plan.classify === undefined ? {} : { classify: plan.classify }) })
  run.last = { error, thrown }
  rememberError(run, { at: now, error })
  const delayMs = delayAfter(run, error)
  const gaveUp = reasonToGiveUp(run, error, delayMs)
  if (gaveUp !== undefined) return { error: { ...error, gaveUp }, delayMs }
  run.previousDelayMs = delayMs
  announce(plan, { attempt: run.attempts, error, delayMs })
  return { error, delayMs }
}

export function rememberError(run: RetryRun, failed: AttemptError): void {
  if (run.attemptErrors.length === attemptErrorsMax) run.attemptErrors.shift()
  run.attemptErrors.push(failed)
}

/** How long to wait after this error, in ms. */
export function delayAfter({ plan, attempts, previousDelayMs }: RetryRun, error: ClassifiedError): number {
  const delayMs = plan.backoff(attempts, previousDelayMs)
  return Math.min(plan.maxDelayMs, Math.max(delayMs, error.retryAfterMs ?? 0))
}

/** Why not to try again after such a wait, if not. The budget comes last, since asking it spends from it. */
export function reasonToGiveUp(run: RetryRun, error: ClassifiedError, delayMs: number): ClassifiedError['gaveUp'] {
  const { plan } = run
  if (!error.retryable) return 'final'
  if (run.attempts >= plan.maxAttempts) return 'attempts'
  if (plan.clock.monotonic() + delayMs >= run.deadlineAt) return 'deadline'
  if (plan.budget !== undefined && !plan.budget.tryRetry()) return 'budget'
  return undefined
}

const retries = channel('switchgear:retry')

function announce({ onRetry }: RetryPlan, notice: RetryNotice): void {
  if (retries.hasSubscribers) retries.publish(notice)
  if (onRetry !== undefined) unheeded(() => onRetry(notice))
}
