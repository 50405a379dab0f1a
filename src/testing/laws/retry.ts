import { strict as assert } from 'node:assert'
import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { backoff, backoffDefaults } from '../../streams/retry/backoff.ts'
import { retryBudget, type RetryBudgetOptions } from '../../streams/retry/retry-budget.ts'
import { maxAttemptsDefault, type RetryPolicy } from '../../streams/retry/retry-policy.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { virtualClock } from '../virtual-clock.ts'
import {
  askedMs,
  begin,
  busy,
  failures,
  finals,
  hangs,
  play,
  type Recording,
  retryStory,
  type RetryScenario,
  scenariosOf,
  successes,
  waitsOf,
} from './retry-scenario.ts'

export type RetryLawName = 'attempts' | 'delays' | 'deadline' | 'budget' | 'final' | 'retryAfter' | 'aborted'

/** Virtual time is a sum of fractions of a millisecond; this is above what that costs, and below what matters. */
const roundingMs = 0.001
/** Timers take this long at least. */
const timerMsMin = 1

/**
 * The laws of retrying, by `retry` and by `deliver`, for the policies that `policies` generates: any at all, or `fc.constant(mine)`. Budget, classifier
 * and signal of a policy are left out, since the laws bring their own.
 */
export function retryLawsOf(policies: fc.Arbitrary<RetryPolicy>): Readonly<Record<RetryLawName, Law>> {
  const own = policies.map(bare)
  return {
    attempts: attempts(own),
    delays: delays(own),
    deadline: deadline(own),
    budget: budget(own),
    final: final(own),
    retryAfter: retryAfter(own),
    aborted: aborted(own),
  }
}

/** A policy as plain data. */
export function bare({ budget: _budget, classify: _classify, signal: _signal, ...policy }: RetryPolicy): RetryPolicy {
  return policy
}

function attempts(policies: fc.Arbitrary<RetryPolicy>): Law<RetryScenario> {
  return {
    name: 'retry.attempts',
    says: 'there are never more attempts than maxAttempts, and the last error comes out unchanged',
    cases: scenariosOf(withoutDeadline(policies), fc.oneof({ weight: 9, arbitrary: failures }, successes)),
    story: async (scenario) => retryStory(await play(scenario)),
    async holds(scenario) {
      const recording = await play(scenario)
      const { attempts: seen } = recording
      const maxAttempts = scenario.policy.maxAttempts ?? maxAttemptsDefault
      assert.ok(seen.length <= maxAttempts, `${seen.length} attempts were made, ${maxAttempts} are allowed`)
      assert.deepEqual(
        numbersOf(recording),
        seen.map((_, index) => index + 1),
        'attempts are counted from 1',
      )
      assertLastErrorComesOut(recording)
      return seen.length === maxAttempts && recording.outcome.status === 'rejected' ? 'held' : 'notExercised'
    },
  }
}

function delays(policies: fc.Arbitrary<RetryPolicy>): Law<RetryScenario> {
  return {
    name: 'retry.delays',
    says: 'every delay lies between what its jitter allows and maxDelayMs, and is finite at attempt 1,000,000',
    cases: scenariosOf(withoutDeadline(policies), failures),
    story: async (scenario) => retryStory(await play(scenario)),
    async holds(scenario) {
      const waits = waitsOf(await play(scenario))
      let previousMs: number | undefined
      for (const { after, waitedMs } of waits) {
        assertWithin(
          waitedMs,
          delayRange(scenario.policy, after.number, previousMs),
          `the delay after attempt ${after.number}`,
        )
        previousMs = waitedMs
      }
      const policy = pickBackoff(scenario.policy)
      const distantMs = backoff(policy, { random: seededRandom(scenario.seed) })(1_000_000, previousMs)
      assertWithin(distantMs, delayRange(policy, 1_000_000, previousMs), 'the delay after attempt 1,000,000')
      return waits.length > 0 ? 'held' : 'notExercised'
    },
  }
}

export function deadline(policies: fc.Arbitrary<RetryPolicy>): Law<RetryScenario> {
  const withDeadline = fc
    .tuple(policies, fc.integer({ min: 1, max: 20_000 }))
    .map(([policy, deadlineMs]) => ({ ...policy, deadlineMs: policy.deadlineMs ?? deadlineMs }))
  return {
    name: 'retry.deadline',
    says: 'no attempt starts at the deadline or after it, and the call has ended by then, also when an attempt hangs',
    cases: scenariosOf(withDeadline, fc.oneof({ weight: 5, arbitrary: failures }, busy, hangs)).map(byWhomItCounts),
    async holds(scenario) {
      const { attempts: seen, settledAt } = await play(scenario)
      const { deadlineMs = Infinity, maxAttempts = maxAttemptsDefault } = scenario.policy
      for (const { number, startedAt } of seen) {
        assert.ok(
          startedAt < deadlineMs,
          `attempt ${number} started at ${startedAt} ms, the deadline is ${deadlineMs} ms`,
        )
      }
      // One that started with less left than the shortest timer has that.
      const endsBy = Math.max(deadlineMs, (seen.at(-1)?.startedAt ?? 0) + timerMsMin)
      assert.ok(settledAt <= endsBy + roundingMs, `the call ended at ${settledAt} ms, the deadline is ${deadlineMs} ms`)
      return seen.length < maxAttempts || settledAt >= deadlineMs ? 'held' : 'notExercised'
    },
  }
}

/** The deadline of an item does not count while its destination asked to be left alone. */
function byWhomItCounts(scenario: RetryScenario): RetryScenario {
  return scenario.steps.some(({ does }) => does === 'busy') ? { ...scenario, by: 'retry' } : scenario
}

interface BudgetScenario {
  readonly options: RetryBudgetOptions
  readonly calls: readonly (RetryScenario & { readonly afterMs: number })[]
}

function budget(policies: fc.Arbitrary<RetryPolicy>): Law<BudgetScenario> {
  const call = fc
    .tuple(scenariosOf(withoutDeadline(policies), fc.oneof(failures, successes)), fc.integer({ min: 0, max: 500 }))
    .map(([scenario, afterMs]) => ({ ...scenario, afterMs }))
  return {
    name: 'retry.budget',
    says: 'whenever a retry is let through, the retries of the last window are at most ratio × calls + minimum',
    cases: fc.record({
      options: fc.record({
        ratio: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
        minPerSecond: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 3 })),
        windowMs: fc.integer({ min: 100, max: 5_000 }),
      }),
      calls: fc.array(call, { minLength: 1, maxLength: 20 }),
    }),
    async holds({ options, calls }) {
      const clock = virtualClock()
      const shared = retryBudget(options, { clock })
      const callsAt: number[] = []
      const playing = calls.map(async ({ policy, afterMs, ...scenario }, index) => {
        await clock.sleep(afterMs + 100 * index)
        callsAt.push(clock.now())
        return begin({ ...scenario, policy: { ...policy, budget: shared } }, clock)
      })
      const recordings = await clock.runUntil(Promise.all(playing))
      const retriesAt = recordings
        .flatMap(({ notices }) => notices.map(({ at }) => at))
        .toSorted((one, other) => one - other)
      assertBudgetKept(options, callsAt, retriesAt)
      return shared.counts().refused > 0 ? 'held' : 'notExercised'
    },
  }
}

function assertBudgetKept(options: RetryBudgetOptions, calls: readonly number[], retries: readonly number[]): void {
  const { ratio = 0, minPerSecond = 0, windowMs = 0 } = options
  for (const now of retries) {
    const inWindow = (instants: readonly number[]) => instants.filter((at) => at > now - windowMs && at <= now).length
    const allowed = ratio * inWindow(calls) + (minPerSecond * windowMs) / 1_000
    const made = inWindow(retries)
    assert.ok(made <= allowed, `${made} retries in the ${windowMs} ms up to ${now} ms, ${allowed} are allowed`)
  }
}

function final(policies: fc.Arbitrary<RetryPolicy>): Law<RetryScenario & { readonly insists: boolean }> {
  const scenarios = scenariosOf(withoutDeadline(policies), fc.oneof(failures, finals))
  return {
    name: 'retry.final',
    says: 'an error that is not retryable ends the call as it is; so does an open breaker, whatever a classifier insists on',
    cases: fc.tuple(scenarios, fc.boolean()).map(([scenario, insists]) => ({ ...scenario, insists })),
    async holds({ insists, ...scenario }) {
      const classify = insists ? () => ({ type: 'unknown', retryable: true }) as const : undefined
      const recording = await play({ ...scenario, policy: { ...scenario.policy, classify } })
      const isFinal = recording.attempts.map(({ step }) =>
        insists ? step.does === 'meetOpenBreaker' : step.does === 'refuse' || step.does === 'meetOpenBreaker',
      )
      const first = isFinal.indexOf(true)
      if (first === -1) return 'notExercised'
      assert.equal(recording.attempts.length, first + 1, `attempt ${first + 1} failed for good, and another was made`)
      assertLastErrorComesOut(recording)
      return 'held'
    },
  }
}

function retryAfter(policies: fc.Arbitrary<RetryPolicy>): Law<RetryScenario> {
  return {
    name: 'retry.retry-after',
    says: 'what Retry-After asks for is waited for, up to maxDelayMs and never above',
    cases: scenariosOf(withoutDeadline(policies), fc.oneof({ weight: 3, arbitrary: busy }, failures)),
    story: async (scenario) => retryStory(await play(scenario)),
    async holds(scenario) {
      const maxDelayMs = scenario.policy.maxDelayMs ?? backoffDefaults.maxDelayMs
      const asked = waitsOf(await play(scenario)).filter(({ after }) => after.step.does === 'busy')
      for (const { after, waitedMs } of asked) {
        const range = { lowMs: Math.min(askedMs(after), maxDelayMs), highMs: maxDelayMs }
        assertWithin(
          waitedMs,
          range,
          `the wait after attempt ${after.number}, which was asked for ${askedMs(after)} ms,`,
        )
      }
      return asked.length > 0 ? 'held' : 'notExercised'
    },
  }
}

function aborted(policies: fc.Arbitrary<RetryPolicy>): Law<RetryScenario & { readonly abortAtMs: number }> {
  const scenarios = scenariosOf(
    withoutDeadline(policies),
    fc.oneof({ weight: 5, arbitrary: failures }, busy, successes, hangs),
  )
  return {
    name: 'retry.aborted',
    says: 'after an abort there is no attempt, the call ends at once with the reason, and nothing is left behind',
    cases: fc
      .tuple(scenarios, fc.integer({ min: 0, max: 10_000 }))
      .map(([scenario, abortAtMs]) => ({ ...scenario, abortAtMs })),
    async holds({ abortAtMs, ...scenario }) {
      const clock = virtualClock()
      const controller = new AbortController()
      const reason = new Error('the caller gave up')
      clock.setTimeout(() => controller.abort(reason), abortAtMs)
      const policy = { ...scenario.policy, signal: controller.signal }
      const { attempts: seen, outcome, settledAt } = await play({ ...scenario, policy }, clock)
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0, 'a listener is left')
      if (!controller.signal.aborted) return 'notExercised'
      assert.equal(outcome.status === 'rejected' && outcome.reason, reason, 'the call should end with the reason')
      assert.equal(settledAt, abortAtMs, 'the call should end at once')
      const underWay = seen.filter(({ step, endedAt }) => endedAt === undefined && step.does !== 'hang').length
      assert.ok(clock.pendingTimers <= underWay, 'a timer is left')
      await clock.advanceBy(1_000_000)
      const late = seen.filter(({ startedAt }) => startedAt > abortAtMs)
      assert.deepEqual(late, [], 'an attempt started after the abort')
      return 'held'
    },
  }
}

function withoutDeadline(policies: fc.Arbitrary<RetryPolicy>): fc.Arbitrary<RetryPolicy> {
  return policies.map(({ deadlineMs: _deadlineMs, ...policy }) => policy)
}

function pickBackoff({ baseDelayMs, maxDelayMs, multiplier, jitter }: RetryPolicy): RetryPolicy {
  return { baseDelayMs, maxDelayMs, multiplier, jitter }
}

interface Range {
  readonly lowMs: number
  readonly highMs: number
}

/** What the specification says of the delay after an attempt, multiplied out step by step. */
function delayRange(policy: RetryPolicy, attempt: number, previousMs: number | undefined): Range {
  const { baseDelayMs, maxDelayMs, multiplier, jitter } = withDefaults(policy)
  const steps = multiplier === 1 ? 0 : attempt - 1
  let plain = Math.min(baseDelayMs, maxDelayMs)
  for (let step = 0; step < steps && plain < maxDelayMs; step += 1) plain = Math.min(plain * multiplier, maxDelayMs)
  switch (jitter) {
    case 'none':
      return { lowMs: plain, highMs: plain }
    case 'full':
      return { lowMs: 0, highMs: plain }
    case 'equal':
      return { lowMs: plain / 2, highMs: plain }
    case 'decorrelated': {
      const highMs = Math.min(maxDelayMs, Math.max(baseDelayMs, 3 * (previousMs ?? baseDelayMs)))
      return { lowMs: Math.min(baseDelayMs, maxDelayMs), highMs }
    }
    default:
      return { lowMs: plain * (1 - jitter.ratio), highMs: Math.min(maxDelayMs, plain * (1 + jitter.ratio)) }
  }
}

function withDefaults(policy: RetryPolicy): typeof backoffDefaults {
  return {
    baseDelayMs: policy.baseDelayMs ?? backoffDefaults.baseDelayMs,
    maxDelayMs: policy.maxDelayMs ?? backoffDefaults.maxDelayMs,
    multiplier: policy.multiplier ?? backoffDefaults.multiplier,
    jitter: policy.jitter ?? backoffDefaults.jitter,
  }
}

function assertWithin(ms: number, { lowMs, highMs }: Range, what: string): void {
  const isWithin = ms >= lowMs - roundingMs && ms <= highMs + roundingMs
  assert.ok(isWithin, `${what} was ${ms} ms, and should be within ${lowMs} and ${highMs} ms`)
}

function numbersOf({ attempts: seen }: Recording): number[] {
  return seen.map(({ number }) => number)
}

function assertLastErrorComesOut({ attempts: seen, outcome }: Recording): void {
  const last = seen.at(-1)?.error
  assert.equal(outcome.status === 'rejected' ? outcome.reason : undefined, last, 'another error came out than the last')
}
