import { strict as assert } from 'node:assert'
import { deliver } from '../../streams/pipeline/deliver.ts'
import type { Law, Verdict } from '../law.ts'
import { eitherOf } from './either-of.ts'
import { deliverScenarios, type DeliverPlay, type DeliverScenario, playDeliver } from './pipeline-scenario.ts'
import { operatorLaws } from './pipeline-operators.ts'

export type PipelineLawName = 'order' | 'bounded' | 'clean' | 'terminal'

/** The laws of `deliver`, for it or for what is to be like it. */
export function deliverLawsOf(
  operator: typeof deliver,
): Readonly<Record<'order' | 'bounded' | 'clean' | 'oneOutcome', Law<DeliverScenario>>> {
  return {
    order: order(operator),
    bounded: bounded(operator),
    clean: clean(operator),
    oneOutcome: oneOutcome(operator),
  }
}

const { order: orderLaw, bounded: boundedLaw, clean: cleanLaw } = deliverLawsOf(deliver)

/** `oneOutcome` of `deliver` is a law of dead letters, and tried there. */
export const pipelineLaws: Readonly<Record<PipelineLawName, Law>> = Object.freeze({
  order: orderLaw,
  bounded: boundedLaw,
  clean: eitherOf(cleanLaw, operatorLaws.clean),
  terminal: operatorLaws.terminal,
})

function order(operator: typeof deliver): Law<DeliverScenario> {
  return {
    name: 'pipeline.order',
    says: 'what went in comes out, each item once; ordered, the items of a key are attempted in their order, one at a time',
    cases: deliverScenarios,
    async holds(scenario): Promise<Verdict> {
      assertOrder(scenario, await playDeliver(operator, scenario))
      return 'held'
    },
  }
}

/** @throws AssertionError where an item is missing or comes twice, or one of an ordered key overtakes another */
export function assertOrder(scenario: DeliverScenario, play: DeliverPlay): void {
  assertEachOnce(scenario, play)
  if (!scenario.ordered) return
  const begun = new Map<string, number>()
  for (const { id, key, alongside } of play.attempts) {
    assert.ok(!alongside.includes(key), `item ${id} was attempted while another of key ${key} was`)
    assert.ok(id >= (begun.get(key) ?? 0), `item ${id} was attempted after one that came later`)
    begun.set(key, id)
  }
}

function assertEachOnce({ source, ends }: DeliverScenario, { given, outcomes, settled }: DeliverPlay): void {
  const ids = outcomes.map(({ id }) => id).toSorted(ascending)
  if (ends.by !== 'unsubscribe') assert.deepEqual(ids, given.toSorted(ascending), 'the ids that came out')
  else assert.equal(new Set(ids).size, ids.length, 'an item came out twice')
  if (source === 'pushed') return
  const told = settled.map(({ id }) => id).toSorted(ascending)
  assert.deepEqual(told, given.toSorted(ascending), 'the ids that were settled')
}

const ascending = (one: number, other: number): number => one - other

function bounded(operator: typeof deliver): Law<DeliverScenario> {
  return {
    name: 'pipeline.bounded',
    says: 'no more than concurrency are in flight, and no more than maxWaiting besides in hand or asked for',
    cases: deliverScenarios,
    async holds(scenario): Promise<Verdict> {
      const play = await playDeliver(operator, scenario)
      assertBounded(scenario, play)
      return play.most.inFlight === scenario.concurrency ? 'held' : 'notExercised'
    },
  }
}

/** @throws AssertionError where more were taken or under way than may be */
export function assertBounded({ concurrency, maxWaiting }: DeliverScenario, { most }: DeliverPlay): void {
  assert.ok(most.inFlight <= concurrency, `${most.inFlight} in flight`)
  assert.ok(most.inHand <= concurrency + maxWaiting, `${most.inHand} in hand`)
  assert.ok(most.asked <= concurrency + maxWaiting, `${most.asked} in hand or asked for`)
}

function clean(operator: typeof deliver): Law<DeliverScenario> {
  return {
    name: 'pipeline.clean',
    says: 'whichever way and whenever it ends or is left, an operator leaves no timer and no listener, emits nothing more, and ends once',
    cases: deliverScenarios,
    async holds(scenario): Promise<Verdict> {
      assertClean(scenario, await playDeliver(operator, scenario))
      return 'held'
    },
  }
}

/** @throws AssertionError where something is left, comes late, or it did not end as it should */
export function assertClean({ ends: { by } }: DeliverScenario, { remains, late, ends }: DeliverPlay): void {
  for (const { when, timers, listeners } of remains) {
    assert.equal(timers, 0, `timers that are left ${when}`)
    assert.equal(listeners, 0, `listeners that are left ${when}`)
  }
  assert.equal(late, 0, 'emissions after its end')
  const expected = { complete: ['completed'], error: ['failed'], drain: ['completed'], unsubscribe: [] }
  assert.deepEqual(ends, expected[by])
}

function oneOutcome(operator: typeof deliver): Law<DeliverScenario> {
  return {
    name: 'deadLetters.one-outcome',
    says: 'an item ends in exactly one outcome, which says how often it was attempted, and its letter is there exactly when it says so',
    cases: deliverScenarios.map((scenario) => ({ ...scenario, ends: { ...scenario.ends, by: 'complete' as const } })),
    async holds(scenario): Promise<Verdict> {
      const play = await playDeliver(operator, scenario)
      assertEachOnce(scenario, play)
      const said = play.outcomes.flatMap(({ outcome }) => ('letterId' in outcome ? [outcome.letterId] : []))
      assert.deepEqual(
        said.toSorted(),
        play.letters.toSorted(),
        'the letters of the outcomes, and those that are there',
      )
      for (const { id, outcome } of play.outcomes) {
        const attempts = play.attempts.filter((attempt) => attempt.id === id).length
        if (outcome.status === 'refused') assert.ok(attempts === 0 || outcome.reason === 'aborted', outcome.reason)
        else assert.equal(outcome.attempts, attempts, 'attempts that the outcome says')
        assert.ok(attempts <= 3, `${attempts} attempts`)
        assert.ok(outcome.status !== 'delivered' || outcome.value === id, 'the value of another')
        const isFailed = outcome.status === 'failed' && scenario.letters === 'sound'
        assert.ok(!isFailed, 'a letter was asked for, and there is none')
      }
      return play.letters.length > 0 ? 'held' : 'notExercised'
    },
  }
}
