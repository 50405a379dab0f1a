import { classify, type ClassifiedError } from '../../kernel/classify.ts'
import { TimeoutError } from '../../kernel/errors.ts'
import { withTimeout } from '../../kernel/timeout.ts'
import { type Attempt, LazyAttempt } from './attempt.ts'
import { joinSignals } from './join-signals.ts'
import type { RetryPlan } from './retry-policy.ts'
import { afterFailedAttempt, type AttemptError, newRetryRun, rememberError, type RetryRun } from './retry-run.ts'

export type { Attempt } from './attempt.ts'

export type RetryWork<T> = (attempt: Attempt) => Promise<T> | T

/** What came of a call. */
export type RetryResult<T> =
  | {
      readonly ok: true
      readonly value: T
      /** Attempts that were started. */
      readonly attempts: number
      /** Those that failed, the newest 100, in their order. */
      readonly attemptErrors: readonly AttemptError[]
    }
  | {
      readonly ok: false
      /** With `gaveUp`, unless the caller aborted. */
      readonly error: ClassifiedError
      /** What `retry` rejects with: the last error of the work, the deadline's when there is none, or the signal's reason. */
      readonly thrown: unknown
      /** The caller's signal ended it; `error` is of the signal's reason. */
      readonly aborted: boolean
      readonly attempts: number
      readonly attemptErrors: readonly AttemptError[]
    }

/**
 * Runs the work until it succeeds or there is a reason not to try again: the one place of that rule, for `retry` and
 * for `safeCall`. Never throws and never rejects. Leaves no timer and no listener.
 */
export async function runWithRetry<T>(
  plan: RetryPlan,
  work: RetryWork<T>,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<RetryResult<T>> {
  const joined = joinSignals(plan.signal, options.signal)
  const run = startRun(plan, work, joined.signal)
  try {
    if (!run.signal?.aborted) plan.budget?.recordCall()
    return await attemptUntilDone(run)
  } catch (error) {
    return ended(run, classify(error), error)
  } finally {
    joined.release()
  }
}

/** The same for a call whose first attempt has been made, under a plan without deadline and signal, and has failed. */
export async function retryAfterFirst<T>(plan: RetryPlan, work: RetryWork<T>, error: unknown): Promise<RetryResult<T>> {
  const run = startRun(plan, work, undefined)
  run.attempts = 1
  try {
    return (await giveUpOrWait(run, error)) ?? (await attemptUntilDone(run))
  } catch (fault) {
    return ended(run, classify(fault), fault)
  }
}

/** One call. */
interface Run<T> extends RetryRun {
  readonly work: RetryWork<T>
  readonly signal: AbortSignal | undefined
}

function startRun<T>(plan: RetryPlan, work: RetryWork<T>, signal: AbortSignal | undefined): Run<T> {
  return { ...newRetryRun(plan), work, signal }
}

async function attemptUntilDone<T>(run: Run<T>): Promise<RetryResult<T>> {
  for (;;) {
    if (run.signal?.aborted) return endedByCaller(run)
    run.attempts += 1
    const outcome = await makeAttempt(run)
    if (outcome.status === 'succeeded') {
      return { ok: true, value: outcome.value, attempts: run.attempts, attemptErrors: run.attemptErrors }
    }
    if (outcome.status === 'overdue') return endedByDeadline(run, outcome.error)
    const result = await giveUpOrWait(run, outcome.error)
    if (result !== undefined) return result
  }
}

type AttemptOutcome<T> =
  | { readonly status: 'succeeded'; readonly value: T }
  | { readonly status: 'failed'; readonly error: unknown }
  | { readonly status: 'overdue'; readonly error: TimeoutError }

async function makeAttempt<T>(run: Run<T>): Promise<AttemptOutcome<T>> {
  const { plan, signal } = run
  if (signal === undefined && plan.deadlineMs === undefined) return settle(run.work, new LazyAttempt(run.attempts))
  const remainingMs = plan.deadlineMs === undefined ? undefined : run.deadlineAt - plan.clock.monotonic()
  try {
    return await withTimeout((call) => settle(run.work, new LazyAttempt(run.attempts, call)), {
      clock: plan.clock,
      timeoutMs: remainingMs,
      signal,
      what: 'the call, with its retries,',
    })
  } catch (error) {
    // The work's own errors come as a value: this is the deadline's, or the caller's reason.
    if (!signal?.aborted && error instanceof TimeoutError) return { status: 'overdue', error }
    return { status: 'failed', error }
  }
}

async function settle<T>(work: RetryWork<T>, attempt: Attempt): Promise<AttemptOutcome<T>> {
  try {
    return { status: 'succeeded', value: await work(attempt) }
  } catch (error) {
    return { status: 'failed', error }
  }
}

/** What follows from a failed attempt: the end of the call, or, after a wait, `undefined` for one more attempt. */
async function giveUpOrWait<T>(run: Run<T>, thrown: unknown): Promise<RetryResult<T> | undefined> {
  if (run.signal?.aborted) return endedByCaller(run)
  const { error, delayMs } = afterFailedAttempt(run, thrown)
  if (error.gaveUp !== undefined) return ended(run, error, thrown)
  await wait(run, delayMs)
  if (run.signal?.aborted) return endedByCaller(run)
  // The wait may have taken longer than it was to.
  const isOver = run.plan.clock.monotonic() >= run.deadlineAt
  return isOver ? ended(run, { ...error, gaveUp: 'deadline' }, thrown) : undefined
}

async function wait<T>({ plan, signal }: Run<T>, delayMs: number): Promise<void> {
  try {
    await plan.clock.sleep(delayMs, signal === undefined ? {} : { signal })
  } catch (error) {
    if (!signal?.aborted) throw error
  }
}

function ended<T>(run: Run<T>, error: ClassifiedError, thrown: unknown, aborted = false): RetryResult<T> {
  return { ok: false, error, thrown, aborted, attempts: run.attempts, attemptErrors: run.attemptErrors }
}

function endedByCaller<T>(run: Run<T>): RetryResult<T> {
  const reason: unknown = run.signal?.reason
  return ended(run, { ...classify(reason), retryable: false }, reason, true)
}

/** The last error of the work says more than that the time was over. */
function endedByDeadline<T>(run: Run<T>, timeout: TimeoutError): RetryResult<T> {
  const overdue = classify(timeout)
  rememberError(run, { at: run.plan.clock.now(), error: overdue })
  const { error, thrown } = run.last ?? { error: overdue, thrown: timeout }
  return ended(run, { ...error, gaveUp: 'deadline' }, thrown)
}
