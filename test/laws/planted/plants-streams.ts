import type { Plant } from './plant.ts'

const retry = 'src/streams/retry/retry-run.ts'
const cacheLoad = 'src/streams/cache/cache-load.ts'
const localTier = 'src/streams/cache/local-tier.ts'
const guarded = 'src/streams/limiter/guarded-limiter.ts'

/** Bugs in what happens over time. */
export const streamPlants: readonly Plant[] = [
  {
    name: 'one attempt more than the maximum',
    file: retry,
    find: 'run.attempts >= plan.maxAttempts',
    replace: 'run.attempts > plan.maxAttempts',
    law: 'retry.attempts',
  },
  {
    name: 'what is final is tried again',
    file: retry,
    find: "if (!error.retryable) return 'final'",
    replace: '',
    law: 'retry.final',
  },
  {
    name: 'an attempt starts after the deadline',
    file: retry,
    find: "if (plan.clock.monotonic() + delayMs >= run.deadlineAt) return 'deadline'",
    replace: '',
    law: 'retry.deadline',
  },
  {
    name: 'the slice that is leaving the window does not count',
    file: 'src/streams/retry/retry-budget.ts',
    find: 'retries.sum(now, slices + 1) + 1 <=',
    replace: 'retries.sum(now, slices) + 1 <=',
    law: 'retry.budget',
  },
  {
    name: 'Retry-After is not looked at',
    file: retry,
    find: 'Math.max(delayMs, error.retryAfterMs ?? 0)',
    replace: 'delayMs',
    law: 'retry.retry-after',
  },
  {
    name: 'Retry-After has no ceiling',
    file: retry,
    find: 'return Math.min(plan.maxDelayMs, Math.max(delayMs, error.retryAfterMs ?? 0))',
    replace: 'return Math.max(delayMs, error.retryAfterMs ?? 0)',
    law: 'retry.retry-after',
  },
  {
    name: 'the delay after the millionth attempt is not finite',
    file: 'src/streams/retry/backoff.ts',
    find: 'attempt > 1 ? Math.min(attempt - 1, Number.MAX_SAFE_INTEGER) : 0',
    replace: 'attempt - 2',
    law: 'retry.delays',
  },
  {
    name: 'an attempt follows an abort',
    file: 'src/streams/retry/run-with-retry.ts',
    find: 'joinSignals(plan.signal, options.signal)',
    replace: 'joinSignals(undefined, options.signal)',
    law: 'retry.aborted',
  },
  {
    name: 'a refusal of a limiter counts as a failure of its store',
    file: guarded,
    find: '(decision) => {\n        watch.succeeded()',
    replace:
      "(decision) => {\n        if (decision.allowed) watch.succeeded()\n        else watch.failed(new Error('refused'))",
    law: 'limiter.deadline',
  },
  {
    name: 'a store that hangs holds up who asks',
    file: guarded,
    find: 'return inTime(question).then(\n      (decision)',
    replace: 'return question().then(\n      (decision)',
    law: 'limiter.deadline',
  },
  {
    name: 'what was loaded before an invalidation is kept in process',
    file: localTier,
    find: 'fences[each].isOver = true\n',
    replace: '',
    law: 'cache.fresh',
  },
  {
    name: 'what was invalidated is served from the process',
    file: localTier,
    find: 'if (entry.fence.isOver || (now',
    replace: 'if ((now',
    law: 'cache.fresh',
  },
  {
    name: 'whoever waits loads by itself',
    file: cacheLoad,
    find: "if (found?.status !== 'wait' || found.stale !== undefined",
    replace: "if (found?.status !== 'lead' || found.stale !== undefined",
    law: 'cache.one-load',
  },
  {
    name: 'a value lives on in process after its time',
    file: localTier,
    find: 'const freshUntil = now + freshForMs',
    replace: 'const freshUntil = now + freshForMs * 2',
    law: 'cache.bounded-staleness',
  },
  {
    name: 'a fallback replaces the letter as well',
    file: 'src/streams/safe-call/safe-call.ts',
    find: 'const letterId = plan.deadLetter && (await',
    replace: 'const letterId = plan.fallback === undefined && plan.deadLetter && (await',
    law: 'deadLetters.one-outcome',
  },
  {
    name: 'a part of the journal is dropped though its store went away',
    file: 'src/streams/dead-letters/spill-replay.ts',
    find: 'if (done === undefined) return',
    replace: 'if (done === undefined) return part.drop()',
    law: 'deadLetters.redis-down',
  },
  {
    name: 'a redrive is not counted',
    file: 'src/streams/redrive/redrive-turn.ts',
    find: "sent.status === 'failed' && current ?",
    replace: 'undefined ?',
    law: 'deadLetters.poison',
  },
  {
    name: 'an attempt that the breaker refuses counts as a call of the work',
    file: 'src/streams/safe-call/safe-call.ts',
    find: '    run.attempts += 1\n',
    replace: '',
    and: [{ find: 'run.entered = false\n', replace: 'run.entered = false\n  run.attempts += 1\n' }],
    law: 'safeCall.never-throws',
  },
  {
    name: 'a listener for retries that throws ends the call',
    file: retry,
    find: 'unheeded(() => onRetry(notice))',
    replace: 'Promise.resolve(onRetry(notice)).catch(() => {})',
    law: 'safeCall.hooks',
  },
]
