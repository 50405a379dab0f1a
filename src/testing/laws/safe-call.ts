import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import type { Outcome } from '../../kernel/outcome.ts'
import type { Law } from '../law.ts'
import {
  faults,
  type MakeSafeCallInstance,
  type Manner,
  type Played,
  playSafeCall,
  type SafeCallScenario,
  safeCallScenarios,
} from './safe-call-scenario.ts'

export type SafeCallLawName = 'neverThrows' | 'hooks' | 'oneOutcome'

/** The laws of `safeCall`, on instances that `make` makes: `createSwitchgear`. */
export function safeCallLaws(make: MakeSafeCallInstance): Readonly<Record<SafeCallLawName, Law>> {
  return { neverThrows: neverThrows(make), hooks: hooks(make), oneOutcome: oneOutcome(make) }
}

function neverThrows(make: MakeSafeCallInstance): Law<SafeCallScenario> {
  return {
    name: 'safeCall.never-throws',
    says: 'whatever the work, the hooks and the stores do, a call gives a result, calls the work no more, and leaves nothing behind',
    cases: safeCallScenarios,
    async holds(scenario) {
      const { fault, outcome, calls, callsInAll, listeners } = await playSafeCall(make, scenario)
      assert.equal(fault, undefined, 'it threw or rejected')
      assertOutcome(outcome, calls)
      assert.equal(callsInAll, calls, 'the work was called after the outcome')
      assert.equal(listeners, 0, 'a listener was left on the signal of the caller')
      return isPeaceful(scenario) ? 'notExercised' : 'held'
    },
  }
}

function hooks(make: MakeSafeCallInstance): Law<{ readonly scenario: SafeCallScenario; readonly fault: Manner }> {
  return {
    name: 'safeCall.hooks',
    says: 'loggers, classifiers, describers and listeners that fail change nothing but that there is no letter',
    cases: fc.record({ scenario: safeCallScenarios, fault: fc.constantFrom(...faults) }),
    async holds({ scenario, fault }) {
      const sound = { ...scenario, logger: 'sound', classifier: 'none', onRetry: 'none', store: 'sound' } as const
      const broken = { ...sound, logger: fault, classifier: fault, onRetry: fault }
      const expected = await playSafeCall(make, sound)
      assert.deepEqual(essence(await playSafeCall(make, broken)), essence(expected))
      if (scenario.describer !== 'none') {
        const undescribed = await playSafeCall(make, { ...broken, describer: fault })
        assert.deepEqual(essence(undescribed), withoutLetter(essence(expected)))
        assert.deepEqual(undescribed.letters, [])
      }
      return expected.calls > 1 || expected.outcome?.status !== 'delivered' ? 'held' : 'notExercised'
    },
  }
}

function oneOutcome(make: MakeSafeCallInstance): Law<SafeCallScenario> {
  return {
    name: 'deadLetters.one-outcome',
    says: 'a call ends in exactly one outcome, and its letter is in the queue exactly when the outcome says so',
    cases: safeCallScenarios,
    async holds(scenario) {
      const { outcome, letters, calls } = await playSafeCall(make, scenario)
      assert.ok(outcome !== undefined)
      const says = 'letterId' in outcome ? [outcome.letterId] : []
      assert.deepEqual(
        letters.map(({ id }) => id),
        says,
      )
      if (outcome.status === 'refused' && outcome.reason !== 'aborted') assert.equal(calls, 0)
      for (const letter of letters) {
        assert.equal(letter.errorType, 'error' in outcome ? outcome.error.type : undefined)
        assert.ok(calls === 0 || letter.attempts.length === calls, `${letter.attempts.length} attempts in the letter`)
      }
      const isWanted = scenario.describer === 'sound' && scenario.store === 'sound'
      const failedForGood = outcome.status === 'failed' || outcome.status === 'fallback'
      const isSaid = says.length === 1 || !failedForGood || isConfigError(outcome)
      assert.ok(!isWanted || isSaid, 'a letter was asked for, and there is none')
      return letters.length > 0 ? 'held' : 'notExercised'
    },
  }
}

function isPeaceful({
  deeds,
  describer,
  store,
  fallback,
  classifier,
  onRetry,
  logger,
  limit,
}: SafeCallScenario): boolean {
  const manners = [describer, store, fallback, classifier, onRetry, logger, limit]
  return deeds[0]?.does === 'give' && manners.every((manner) => manner === 'sound' || manner === 'none')
}

/** An outcome is one of the five, whole, and says how often the work was called. */
function assertOutcome(outcome: Outcome<unknown> | undefined, calls: number): void {
  assert.ok(outcome !== undefined)
  if (outcome.status === 'refused') {
    assert.ok(['rateLimited', 'breakerOpen', 'aborted', 'overCapacity', 'closing'].includes(outcome.reason))
    assert.ok(outcome.retryAfterMs === undefined || outcome.retryAfterMs >= 0)
    return
  }
  assert.ok(['delivered', 'deadLettered', 'failed', 'fallback'].includes(outcome.status))
  assert.equal(outcome.attempts, calls)
  assert.ok(outcome.durationMs >= 0)
  assert.equal('value' in outcome, outcome.status === 'delivered' || outcome.status === 'fallback')
  assert.equal('error' in outcome, outcome.status !== 'delivered')
  if (outcome.status === 'deadLettered') assert.equal(typeof outcome.letterId, 'string')
}

interface Essence {
  readonly status: string | undefined
  readonly hasLetter: boolean
  readonly rest: unknown
}

/** What can be compared of two plays: values and errors are new ones each time. */
function essence({ outcome, calls, fault }: Played): Essence {
  if (outcome === undefined || outcome.status === 'refused') {
    return { status: outcome?.status, hasLetter: false, rest: { ...outcome, calls, fault } }
  }
  const { status, attempts, durationMs } = outcome
  const error = 'error' in outcome ? outcome.error : undefined
  const rest = { attempts, durationMs, calls, type: error?.type, message: error?.message, gaveUp: error?.gaveUp }
  return { status, hasLetter: 'letterId' in outcome, rest }
}

function withoutLetter({ status, rest }: Essence): Essence {
  return { status: status === 'deadLettered' ? 'failed' : status, hasLetter: false, rest }
}

function isConfigError(outcome: Outcome<unknown>): boolean {
  return 'error' in outcome && outcome.error.name === 'ConfigError'
}
