import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import type { BreakerOptions, BreakerSettings, RateRule } from '../../machines/breaker-options.ts'
import type { CircuitBreaker } from '../../machines/breaker.ts'
import { type Fraction, oracleTrips, type OracleRule, type RawOutcome } from '../breaker-oracle.ts'
import { failuresToTrip } from '../failures-to-trip.ts'
import { fleetOfBreakers } from '../fleet-of-breakers.ts'
import type { Law, Verdict } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import type { StoryEvent } from '../story.ts'
import { blamingWaits, BlameError } from '../verify/blame.ts'
import type { Subject, SubjectBreaker } from '../verify/subject.ts'
import { describeOutcome, isFailure, respondWith, type TransportOutcome } from '../verify/transport.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'
import { withoutHooks } from './on-subject.ts'

type RuleName = 'failureThreshold' | 'failureRate' | 'slowCallRate'

type ConfiguredTrip =
  /** Calls that end in these ways, through the breaker's handler where it has one. */
  | { readonly play: 'calls'; readonly breaker: string; readonly outcomes: readonly TransportOutcome[] }
  /** One rule by itself, and calls that are all bad. */
  | { readonly play: 'outage'; readonly breaker: string; readonly rule: RuleName }

/** `breaker.oracle` for one configuration: its rules, its judge, its handlers. */
export function oracleOf(subject: Subject, { name, says }: Pick<Law, 'name' | 'says'>): Law<ConfiguredTrip> | string {
  const plays = subject.breakers.flatMap((breaker) => [callsThrough(breaker, subject), ...outagesOf(breaker)])
  const play = async (given: ConfiguredTrip): Promise<Played> => {
    const breaker = subject.breakers.find((each) => each.name === given.breaker)
    assert.ok(breaker !== undefined)
    return given.play === 'calls' ? playCalls(breaker, given.outcomes) : playOutage(breaker, given.rule)
  }
  return {
    name,
    says: `${says}; each rule trips when every call is bad, and a handler does not hide that`,
    cases: fc.oneof(...plays),
    async holds(given) {
      const { fault, verdict } = await play(given)
      if (fault !== undefined) throw fault
      return verdict
    },
    story: async (given) => (await play(given)).told,
  }
}

interface Played {
  readonly verdict: Verdict
  readonly fault: Error | undefined
  readonly told: readonly StoryEvent[]
}

/** Few bad ones, so that a rule is approached slowly; as many as not; and streaks that just reach a threshold. */
function callsThrough({ name, options, settings }: SubjectBreaker, subject: Subject): fc.Arbitrary<ConfiguredTrip> {
  const { slowerThanMs = 50 } = settings.slowCallRate ?? {}
  const needed = Math.min(callsMax, failuresToTrip(options))
  const slow = fc.constantFrom<TransportOutcome>(
    ...[slowerThanMs - 1, slowerThanMs, slowerThanMs + 20].map((tookMs) => ({
      does: 'answer' as const,
      value: 'late',
      tookMs: Math.max(0, tookMs),
    })),
  )
  const bad = fc.constantFrom(...subject.failures)
  const any = fc.oneof({ weight: 4, arbitrary: subject.outcomes }, { weight: 1, arbitrary: slow })
  const streak = fc
    .tuple(bad, fc.constantFrom(1, Math.max(1, needed - 1), needed))
    .map(([outcome, length]) => Array.from({ length }, () => outcome))
  const mixed = fc.array(any, { minLength: 1, maxLength: 12 })
  return fc.record({
    play: fc.constant('calls' as const),
    breaker: fc.constant(name),
    outcomes: fc
      .array(fc.oneof(streak, mixed, fc.array(slow, { minLength: 1, maxLength: 30 })), { minLength: 1, maxLength: 6 })
      .map((parts) => parts.flat().slice(0, 2 * callsMax)),
  })
}

/** A rule that needs more than these is approached, and not reached. */
const callsMax = 200

function outagesOf({ name, settings }: SubjectBreaker): readonly fc.Arbitrary<ConfiguredTrip>[] {
  const rules: RuleName[] = []
  if (settings.failureThreshold !== Infinity) rules.push('failureThreshold')
  if (settings.failureRate !== undefined) rules.push('failureRate')
  if (settings.slowCallRate !== undefined) rules.push('slowCallRate')
  if (rules.length === 0) return []
  return [
    fc.record({ play: fc.constant('outage' as const), breaker: fc.constant(name), rule: fc.constantFrom(...rules) }),
  ]
}

/** Calls one after the other; the oracle keeps how each ended, by the judge of the configuration. */
async function playCalls(of: SubjectBreaker, outcomes: readonly TransportOutcome[]): Promise<Played> {
  const { settings, name } = of
  const rules = rulesOf(settings)
  const { clock, breaker } = await oneBreaker(of.options)
  const told: StoryEvent[] = []
  const raw: RawOutcome[] = []
  let hidden = 0
  for (const outcome of outcomes) {
    const startedAt = clock.monotonic()
    const { asked, error } = await callOnce(of, breaker, clock, outcome)
    const tookMs = clock.monotonic() - startedAt
    const judged = error === undefined ? 'success' : settings.judge(error.thrown)
    if (judged !== 'ignored')
      raw.push({
        at: clock.monotonic(),
        failed: judged === 'failure',
        slow: tookMs >= (settings.slowCallRate?.slowerThanMs ?? Infinity),
      })
    hidden = asked && isFailure(outcome) && error === undefined ? hidden + 1 : 0
    const expected = judged !== 'ignored' && oracleTrips(rules, raw)
    const { mode } = breaker.state
    const call = `call ${raw.length}: the transport ${asked ? describeOutcome(outcome) : 'is not asked'}, ${judged}`
    told.push({ atMs: clock.monotonic(), who: name, what: mode === 'closed' ? call : `${call}; it is ${mode}` })
    if ((mode !== 'closed') !== expected) {
      const fault = new assert.AssertionError({
        message: `after call ${raw.length} it is ${mode}, and its rules say ${expected ? 'open' : 'closed'}`,
      })
      return { verdict: 'held', fault, told }
    }
    if (expected) return { verdict: 'held', fault: undefined, told }
    if (hidden >= Math.max(2, failuresToTrip(of.options))) {
      const says = `${hidden} calls in a row went by whose transport failed, and the handler of "${name}" gave a value each time: its breaker never hears of a fault`
      return { verdict: 'held', fault: new BlameError(`handlers.${name}`, says), told }
    }
    await clock.advanceBy(1)
  }
  return { verdict: 'notExercised', fault: undefined, told }
}

async function callOnce(
  of: SubjectBreaker,
  breaker: CircuitBreaker,
  clock: VirtualClock,
  outcome: TransportOutcome,
): Promise<{ readonly asked: boolean; readonly error: { readonly thrown: unknown } | undefined }> {
  const { handler } = of
  let asked = false
  const run = breaker.run(async (call) => {
    const respond = (): Promise<unknown> => {
      asked = true
      return respondWith(outcome, clock, call)
    }
    return handler === undefined ? respond() : handler(call, respond)
  })
  try {
    await blamingWaits(of, clock.runUntil(run))
    return { asked, error: undefined }
  } catch (thrown) {
    if (thrown instanceof BlameError) throw thrown
    return { asked, error: { thrown } }
  }
}

/** As many bad calls as the rule waits for, at once; then it must have tripped. */
async function playOutage({ name, options, settings }: SubjectBreaker, rule: RuleName): Promise<Played> {
  const { failureRate, slowCallRate, failureThreshold } = settings
  const rate = rule === 'failureRate' ? failureRate : rule === 'slowCallRate' ? slowCallRate : undefined
  const needed = rate?.minimumCalls ?? failureThreshold
  if (needed > outageMax) return { verdict: 'notExercised', fault: undefined, told: [] }
  const alone = { failureThreshold: false, failureRate: undefined, slowCallRate: undefined } as const
  const { timeoutMs } = options
  const { clock, breaker } = await oneBreaker({ ...alone, timeoutMs, [rule]: options[rule] ?? failureThreshold })
  const isSlow = rule === 'slowCallRate'
  const told: StoryEvent[] = []
  const calls = Array.from({ length: needed }, async (_, at) => {
    const work = async (): Promise<void> => {
      if (isSlow) await clock.sleep(slowCallRate?.slowerThanMs ?? 0)
      else throw new Error('down')
    }
    // One after the other, as far as a window of time allows.
    if (!isSlow && !(rate !== undefined && 'ms' in rate.over)) await clock.sleep(at)
    await breaker.run(work).catch(() => {})
    const ended = isSlow ? `call ${at + 1} took ${clock.monotonic()} ms` : `call ${at + 1} failed`
    told.push({ atMs: clock.monotonic(), who: name, what: `${ended}; it is ${breaker.state.mode}` })
  })
  await clock.runUntil(Promise.all(calls))
  if (breaker.state.mode !== 'closed') return { verdict: 'held', fault: undefined, told }
  const window = rate !== undefined && 'calls' in rate.over ? `, of which its window holds ${rate.over.calls}` : ''
  const message = `${needed} calls in a row ${isSlow ? `took ${slowCallRate?.slowerThanMs} ms or were stopped` : 'failed'}${window}, and ${rule} has not tripped`
  return { verdict: 'held', fault: new assert.AssertionError({ message }), told }
}

/** A rule that waits for more is taken at its word. */
const outageMax = 5_000

async function oneBreaker(options: BreakerOptions): Promise<{
  readonly clock: VirtualClock
  readonly breaker: CircuitBreaker
}> {
  const clock = virtualClock({ startAt: 1_000_000 })
  const random = seededRandom(1)
  const log = memoryLog({ clock, random })
  const fleet = fleetOfBreakers({ instances: 1, clockOf: () => clock, random, log, options: withoutHooks(options) })
  const [instance] = fleet.instances
  assert.ok(instance !== undefined)
  await clock.settle()
  return { clock, breaker: instance.breaker('smtp') }
}

function rulesOf({ failureThreshold, failureRate, slowCallRate }: BreakerSettings): readonly OracleRule[] {
  const rules: OracleRule[] = []
  if (failureThreshold !== Infinity) rules.push({ kind: 'consecutive', threshold: failureThreshold })
  if (failureRate !== undefined) rules.push(rateOf('failures', failureRate))
  if (slowCallRate !== undefined) rules.push(rateOf('slow', slowCallRate))
  return rules
}

function rateOf(kind: 'failures' | 'slow', { over, threshold, minimumCalls }: RateRule): OracleRule {
  return { kind, over, minimumCalls, threshold: fractionOf(threshold) }
}

/** What was typed, in whole numbers: 0.55 is 55 of 100. */
function fractionOf(threshold: number): Fraction {
  const [whole = '0', decimals = ''] = threshold.toFixed(12).replace(/0+$/u, '').split('.')
  return { of: Number(whole + decimals), in: 10 ** decimals.length }
}
