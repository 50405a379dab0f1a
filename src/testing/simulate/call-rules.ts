import { classify, type ClassifiedError } from '../../kernel/classify.ts'
import { TimeoutError } from '../../kernel/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Random } from '../../ports/random.ts'
import { retryBudget, retryBudgetLike } from '../../streams/retry/retry-budget.ts'
import { planRetry, type RetryPolicy } from '../../streams/retry/retry-policy.ts'
import { delayAfter, newRetryRun, reasonToGiveUp } from '../../streams/retry/retry-run.ts'
import type { Answer } from './dependency.ts'

/** The rules of `safeCall` for one call: what ends an attempt, and what follows from one that failed. */
export interface CallRules {
  /** A call begins. */
  begin(): void
  /** How long this attempt takes; one that takes too long is made a timeout. `spentMs`: since the call began. */
  bound(answer: Answer, spentMs: number): number
  /** How long to wait before the next attempt, in whole ms and at least 1, or why there is none. */
  next(
    error: Error,
    attempt: number,
    previousDelayMs: number | undefined,
    askedAt: number,
    now: number,
  ): number | NonNullable<ClassifiedError['gaveUp']>
}

export interface CallRulesOptions {
  readonly retry: RetryPolicy | undefined
  readonly timeoutMs: number | undefined
  readonly deadlineMs: number | undefined
  readonly clock: Clock
  readonly random: Random
}

export function callRules({ retry = {}, timeoutMs = Infinity, clock, random, ...of }: CallRulesOptions): CallRules {
  const { budget: given, deadlineMs = of.deadlineMs, ...policy } = retry
  // The given one goes by another clock. Of one that is not of our making, nothing is known but that there is to be one.
  const budget = given === undefined ? undefined : (retryBudgetLike(given, clock) ?? retryBudget({ clock }))
  let now = 0
  const plan = planRetry({ ...policy, budget, deadlineMs }, { clock: { ...clock, monotonic: () => now }, random })
  /** One for all calls, since each is asked about in a moment. */
  const run = newRetryRun(plan)
  const known = new Map<Error, ClassifiedError>()
  const endsAfterMs = deadlineMs ?? Infinity
  /** What nobody reads is not written: a field that holds either a number or nothing makes an object of each number. */
  const readsPrevious = retry.jitter === 'decorrelated'
  let last: { readonly error: Error; readonly problem: ClassifiedError } | undefined

  function classified(error: Error): ClassifiedError {
    if (last?.error === error) return last.problem
    const problem = known.get(error) ?? classify(error, plan.classify === undefined ? {} : { classify: plan.classify })
    known.set(error, problem)
    last = { error, problem }
    return problem
  }

  return {
    begin: () => budget?.recordCall(),
    bound(answer, spentMs) {
      const leftMs = Math.max(1, Math.ceil(Math.min(timeoutMs, endsAfterMs - spentMs)))
      if (answer.latencyMs <= leftMs) return answer.latencyMs
      answer.error = timedOut
      return leftMs
    },
    next(error, attempts, previousDelayMs, askedAt, at) {
      now = at
      run.attempts = attempts
      if (readsPrevious) run.previousDelayMs = previousDelayMs
      run.deadlineAt = askedAt + endsAfterMs
      const problem = classified(error)
      const delayMs = delayAfter(run, problem)
      return reasonToGiveUp(run, problem, delayMs) ?? Math.max(1, Math.ceil(delayMs))
    },
  }
}

const timedOut = new TimeoutError('a simulated call', 1)
