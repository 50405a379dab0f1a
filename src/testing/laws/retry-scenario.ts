import * as fc from 'fast-check'
import { lastValueFrom, of } from 'rxjs'
import { BreakerOpenError } from '../../kernel/errors.ts'
import type { Jitter } from '../../kernel/jitter.ts'
import { deliver } from '../../streams/pipeline/deliver.ts'
import { retry } from '../../streams/retry/retry.ts'
import type { RetryNotice, RetryPolicy } from '../../streams/retry/retry-policy.ts'
import type { TimeAndChance } from '../../streams/time-and-chance.ts'
import type { Random } from '../../ports/random.ts'
import { seededRandom } from '../seeded-random.ts'
import type { StoryEvent } from '../story.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'

/** What an attempt does, after `tookMs`. `busy` asks to wait, as a date or in seconds; `hang` never settles. */
export type Step =
  | { readonly does: 'succeed' | 'fail' | 'refuse' | 'meetOpenBreaker' | 'hang'; readonly tookMs: number }
  | { readonly does: 'busy'; readonly tookMs: number; readonly waitS: number; readonly asDate: boolean }

/** A call: its policy, what its attempts do in turn (the last step again and again), and its luck. */
export interface RetryScenario {
  readonly policy: RetryPolicy
  readonly steps: readonly Step[]
  readonly seed: number
  /** Whether the call is one of `retry`, or an item of `deliver`: the rules are the same. Default: of `retry`. */
  readonly by?: 'retry' | 'deliver' | undefined
}

const jitters: fc.Arbitrary<Jitter> = fc.oneof(
  fc.constantFrom<Jitter>('none', 'full', 'equal', 'decorrelated'),
  fc.record({ ratio: fc.double({ min: 0, max: 1, noNaN: true }) }),
)

/** Any policy that can be meant, as plain data: without budget, classifier and signal. */
export const retryPolicies: fc.Arbitrary<RetryPolicy> = fc.record(
  {
    maxAttempts: fc.integer({ min: 1, max: 8 }),
    baseDelayMs: fc.integer({ min: 1, max: 5_000 }),
    maxDelayMs: fc.integer({ min: 1, max: 60_000 }),
    multiplier: fc.double({ min: 1, max: 5, noNaN: true }),
    jitter: jitters,
  },
  { requiredKeys: [] },
)

const tookMs = fc.integer({ min: 0, max: 2_000 })

export const failures: fc.Arbitrary<Step> = fc.record({ does: fc.constant('fail' as const), tookMs })
export const successes: fc.Arbitrary<Step> = fc.record({ does: fc.constant('succeed' as const), tookMs })
export const finals: fc.Arbitrary<Step> = fc.record({ does: fc.constantFrom('refuse', 'meetOpenBreaker'), tookMs })
export const hangs: fc.Arbitrary<Step> = fc.record({ does: fc.constant('hang' as const), tookMs })
export const busy: fc.Arbitrary<Step> = fc.record({
  does: fc.constant('busy' as const),
  tookMs,
  waitS: fc.integer({ min: 0, max: 120 }),
  asDate: fc.boolean(),
})

/** Scenarios whose attempts do what `steps` generates. */
export function scenariosOf(
  policies: fc.Arbitrary<RetryPolicy>,
  steps: fc.Arbitrary<Step>,
): fc.Arbitrary<RetryScenario> {
  return fc.record({
    policy: policies,
    steps: fc.array(steps, { minLength: 1, maxLength: 8 }),
    seed: fc.integer(),
    by: fc.constantFrom('retry', 'deliver'),
  })
}

/** An attempt as it was seen. All instants are on the scenario's clock, which starts at 0. */
export interface SeenAttempt {
  readonly number: number
  readonly step: Step
  readonly startedAt: number
  /** Missing when the attempt did not end. */
  endedAt?: number
  error?: unknown
}

export interface Recording {
  readonly attempts: readonly SeenAttempt[]
  readonly notices: readonly (RetryNotice & { readonly at: number })[]
  readonly outcome: PromiseSettledResult<unknown>
  readonly settledAt: number
}

/** Plays a scenario against the real `retry`, or `deliver`, on a virtual clock. */
export function play(
  scenario: RetryScenario,
  clock: VirtualClock = virtualClock(),
  random: Random = seededRandom(scenario.seed),
): Promise<Recording> {
  return clock.runUntil(begin(scenario, clock, random))
}

/** The same for a clock that somebody else advances. */
export async function begin(
  scenario: RetryScenario,
  clock: VirtualClock,
  random: Random = seededRandom(scenario.seed),
): Promise<Recording> {
  const attempts: SeenAttempt[] = []
  const notices: (RetryNotice & { at: number })[] = []
  const policy: RetryPolicy = {
    ...scenario.policy,
    onRetry: (notice) => {
      notices.push({ ...notice, at: clock.now() })
    },
  }
  const attempt = async (number: number): Promise<void> => {
    const step = scenario.steps[Math.min(number, scenario.steps.length) - 1] ?? { does: 'succeed', tookMs: 0 }
    const seen: SeenAttempt = { number, step, startedAt: clock.now() }
    attempts.push(seen)
    await takeStep(step, clock, seen)
  }
  const call = scenario.by === 'deliver' ? deliverOne : retryCall
  const [outcome] = await Promise.allSettled([call(policy, { clock, random }, attempt)])
  return { outcome, settledAt: clock.now(), attempts, notices }
}

type MakeCall = (
  policy: RetryPolicy,
  around: TimeAndChance,
  attempt: (number: number) => Promise<void>,
) => Promise<void>

const retryCall: MakeCall = (policy, around, attempt) => retry(policy, around)(({ number }) => attempt(number))

/** What came of an item, as a call that did not end well would tell it. */
const deliverOne: MakeCall = async (policy, around, attempt) => {
  let number = 0
  let last: unknown
  const to = (): Promise<void> =>
    attempt(++number).catch((error: unknown) => {
      last = error
      throw error
    })
  const outcome = await lastValueFrom(of('item').pipe(deliver({ to, retry: policy }, around)))
  if (outcome.status === 'refused') throw policy.signal?.reason
  if (outcome.status === 'delivered') return
  const { cause } = outcome.error
  // An outcome has what lies behind the error.
  throw last instanceof Error && last.cause === cause ? last : cause
}

async function takeStep(step: Step, clock: VirtualClock, seen: SeenAttempt): Promise<void> {
  if (step.does === 'hang') await new Promise<never>(() => {})
  if (step.tookMs > 0) await clock.sleep(step.tookMs)
  seen.endedAt = clock.now()
  if (step.does === 'succeed') return
  seen.error = errorOf(step, clock.now())
  throw seen.error
}

function errorOf(step: Step, now: number): unknown {
  switch (step.does) {
    case 'refuse':
      return Object.assign(new Error('HTTP 404'), { status: 404 })
    case 'meetOpenBreaker': {
      const refusal = { breaker: 'law', mode: 'open', retryAfterMs: 1, retryAt: now + 1, because: '' } as const
      return new Error('the call was refused', { cause: new BreakerOpenError(refusal) })
    }
    case 'busy':
      return Object.assign(new Error('HTTP 429'), {
        status: 429,
        headers: { 'Retry-After': retryAfterField(step, now) },
      })
    default:
      return new Error('it failed')
  }
}

function retryAfterField({ waitS, asDate }: Step & { does: 'busy' }, now: number): string {
  return asDate ? new Date(now + waitS * 1_000).toUTCString() : String(waitS)
}

/** What `Retry-After` asked for, in ms; a date has whole seconds. */
export function askedMs({ step, endedAt = 0 }: SeenAttempt): number {
  if (step.does !== 'busy') return 0
  return step.asDate
    ? Math.max(0, Math.floor((endedAt + step.waitS * 1_000) / 1_000) * 1_000 - endedAt)
    : step.waitS * 1_000
}

/** The waits between attempts, in ms, each with the attempt before it. */
export function waitsOf({ attempts }: Recording): { readonly after: SeenAttempt; readonly waitedMs: number }[] {
  return attempts.slice(1).map((attempt, index) => {
    const after = attempts[index] ?? attempt
    return { after, waitedMs: attempt.startedAt - (after.endedAt ?? Number.NaN) }
  })
}

/** A call as a timeline. */
export function retryStory({ attempts, notices, outcome, settledAt }: Recording, deadlineMs?: number): StoryEvent[] {
  const who = 'the call'
  return [
    ...attempts.flatMap(({ number, startedAt, endedAt, error }) => [
      { atMs: startedAt, who, what: `attempt ${number} begins` },
      ...(endedAt === undefined
        ? []
        : [{ atMs: endedAt, who, what: `attempt ${number} ${error === undefined ? 'succeeds' : 'fails'}` }]),
    ]),
    ...notices.map(({ at, delayMs }) => ({ atMs: at, who, what: `waits for ${Math.round(delayMs)} ms` })),
    { atMs: settledAt, who, what: `it is ${outcome.status}` },
    ...(deadlineMs === undefined ? [] : [{ atMs: deadlineMs, what: 'the deadline' }]),
  ]
}
