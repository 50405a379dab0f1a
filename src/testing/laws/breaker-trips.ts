import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import { BreakerOpenError } from '../../kernel/errors.ts'
import type { BreakerOptions } from '../../machines/breaker-options.ts'
import type { BreakerState } from '../../machines/breaker-state.ts'
import type { CircuitBreaker } from '../../machines/breaker.ts'
import type { Clock } from '../../ports/clock.ts'
import { oracleTrips, type Fraction, type OracleRule, type RawOutcome } from '../breaker-oracle.ts'
import { fleetOfBreakers } from '../fleet-of-breakers.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { oracleOf } from './breaker-trips-configured.ts'

interface TripCase {
  readonly rules: readonly OracleRule[]
  readonly outcomes: readonly GivenOutcome[]
}

interface GivenOutcome {
  readonly end: 'failure' | 'success' | 'ignored'
  /** How long after the last one it begins, and how long it takes, in ms. */
  readonly afterMs: number
  readonly tookMs: number
  readonly through: 'run' | 'permit'
}

const slowerThanMs = 50

const named = {
  name: 'breaker.oracle',
  says: 'it trips exactly when an oracle that keeps every outcome says so, at one less than a threshold, at it, and past it',
}

/** `breaker.oracle` */
export const oracle: Law<TripCase> = {
  ...named,
  for: (subject) => oracleOf(subject, named),
  cases: tripCases(),
  async holds({ rules, outcomes }) {
    const { clock, pass } = handClock()
    const log = memoryLog({ clock, random: seededRandom(1) })
    const fleet = fleetOfBreakers({
      instances: 1,
      clockOf: () => clock,
      random: seededRandom(1),
      log,
      options: optionsOf(rules),
    })
    const breaker = fleet.instances[0]?.breaker('smtp')
    if (breaker === undefined) throw new Error('no instance')
    const raw: RawOutcome[] = []
    for (const [at, outcome] of outcomes.entries()) {
      pass(outcome.afterMs)
      await settle(breaker, outcome, pass)
      if (outcome.end !== 'ignored')
        raw.push({ at: clock.monotonic(), failed: outcome.end === 'failure', slow: outcome.tookMs >= slowerThanMs })
      const expected = raw.length > 0 && outcome.end !== 'ignored' && oracleTrips(rules, raw)
      const { mode, reason }: BreakerState = breaker.state
      assert.equal(mode !== 'closed', expected, `after outcome ${at + 1} it is ${mode} ${reason}`)
      if (expected) return 'held'
    }
    return 'notExercised'
  },
}

async function settle(breaker: CircuitBreaker, { end, tookMs, through }: GivenOutcome, pass: (ms: number) => void) {
  const error = end === 'ignored' ? Object.assign(new Error('no descriptors'), { code: 'EMFILE' }) : new Error('down')
  if (through === 'permit') {
    const permit = breaker.tryAcquire()
    assert.ok(!(permit instanceof BreakerOpenError), 'it refused while the oracle says closed')
    pass(tookMs)
    return end === 'success' ? permit.success() : permit.failure(error)
  }
  const call = breaker.run(() => {
    pass(tookMs)
    if (end !== 'success') throw error
  })
  await call.catch((thrown: unknown) => assert.equal(thrown, error))
}

/** Small numbers, so that thresholds are reached; and fractions whose decimals binary cannot hold. */
function tripCases(): fc.Arbitrary<TripCase> {
  const fraction: fc.Arbitrary<Fraction> = fc.oneof(
    fc.constantFrom(
      { of: 1, in: 2 },
      { of: 55, in: 100 },
      { of: 7, in: 25 },
      { of: 1, in: 3 },
      { of: 7, in: 10 },
      { of: 1, in: 1 },
    ),
    fc.integer({ min: 1, max: 99 }).map((of) => ({ of, in: 100 })),
  )
  const over = fc.oneof(
    fc.record({ calls: fc.integer({ min: 1, max: 25 }) }),
    fc.record({ ms: fc.constantFrom(20, 33, 200, 1_000) }),
  )
  const rate = (kind: 'failures' | 'slow') =>
    fc.record({ kind: fc.constant(kind), over, threshold: fraction, minimumCalls: fc.integer({ min: 1, max: 10 }) })
  const consecutive = fc.record({
    kind: fc.constant('consecutive' as const),
    threshold: fc.integer({ min: 1, max: 6 }),
  })
  const rules = fc
    .tuple(fc.option(consecutive), fc.option(rate('failures')), fc.option(rate('slow')))
    .map((all) => all.filter((rule) => rule !== null))
    .filter((all) => all.length > 0)
  const end = (weights: readonly [number, number, number]) =>
    fc.oneof(
      { weight: weights[0], arbitrary: fc.constant('failure' as const) },
      { weight: weights[1], arbitrary: fc.constant('success' as const) },
      { weight: weights[2], arbitrary: fc.constant('ignored' as const) },
    )
  const outcome = (weights: readonly [number, number, number]) =>
    fc.record({
      end: end(weights),
      afterMs: fc.constantFrom(0, 0, 1, 3, 7, 40),
      tookMs: fc.constantFrom(0, 0, slowerThanMs - 1, slowerThanMs, slowerThanMs + 20),
      through: fc.constantFrom('run' as const, 'permit' as const),
    })
  // Few failures, so that a rule is approached slowly; as many as not; and mostly failures.
  const outcomes = fc
    .constantFrom([2, 8, 1] as const, [5, 5, 1] as const, [8, 2, 1] as const)
    .chain((weights) => fc.array(outcome(weights), { minLength: 1, maxLength: 60, size: 'max' }))
  return fc.oneof({ weight: 5, arbitrary: fc.record({ rules, outcomes }) }, { weight: 1, arbitrary: edgeCases() })
}

/** A window that is just filled, with as many failures as the threshold says, or one less, in any order. */
function edgeCases(): fc.Arbitrary<TripCase> {
  // Fractions of which so many calls make a whole number, though not when they are multiplied in binary.
  const edges = fc.constantFrom(
    [55, 20],
    [28, 25],
    [56, 25],
    [35, 20],
    [60, 5],
    [7, 100],
    [14, 50],
    [100, 7],
  ) as fc.Arbitrary<[number, number]>
  return fc.tuple(edges, fc.boolean()).chain(([[percent, calls], reached]) => {
    const failures = (percent * calls) / 100 - (reached ? 0 : 1)
    const given = (end: 'failure' | 'success'): GivenOutcome => ({ end, afterMs: 1, tookMs: 0, through: 'run' })
    const all = Array.from({ length: calls }, (_, at) => given(at < failures ? 'failure' : 'success'))
    const threshold = { of: percent, in: 100 }
    return fc.record({
      rules: fc.constant([{ kind: 'failures', over: { calls }, threshold, minimumCalls: calls } as const]),
      outcomes: fc.shuffledSubarray(all, { minLength: calls, maxLength: calls }),
    })
  })
}
function optionsOf(rules: readonly OracleRule[]): BreakerOptions {
  const options = rules.map((rule): BreakerOptions => {
    if (rule.kind === 'consecutive') return { failureThreshold: rule.threshold }
    const { over, minimumCalls } = rule
    const common = { over, minimumCalls, threshold: rule.threshold.of / rule.threshold.in }
    return rule.kind === 'failures' ? { failureRate: common } : { slowCallRate: { ...common, slowerThanMs } }
  })
  return Object.assign({ failureThreshold: false }, ...options) as BreakerOptions
}

/** A clock that a case moves by hand, between two lines of code; its timers never end. */
function handClock(): { readonly clock: Clock; readonly pass: (ms: number) => void } {
  let now = 0
  return {
    clock: {
      now: () => 1_000_000 + now,
      monotonic: () => now,
      setTimeout: () => ({}),
      clearTimeout: () => {},
      sleep: () => new Promise(() => {}),
    },
    pass(ms) {
      now += ms
    },
  }
}
