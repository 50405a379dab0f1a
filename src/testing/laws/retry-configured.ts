import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { maxAttemptsDefault, type RetryPolicy } from '../../streams/retry/retry-policy.ts'
import type { Law } from '../law.ts'
import type { Subject } from '../verify/subject.ts'
import { virtualClock } from '../virtual-clock.ts'
import { bare, deadline, type RetryLawName, retryLawsOf } from './retry.ts'
import { play, type Recording, retryPolicies, type RetryScenario, retryStory } from './retry-scenario.ts'

/** The laws of `retry`, for any policy, and each for that of a configuration. */
export const retryLaws: Readonly<Record<RetryLawName, Law>> = Object.freeze(configurable(retryLawsOf(retryPolicies)))

/** Each with how it is had for the policy of a configuration. */
function configurable(own: Readonly<Record<RetryLawName, Law>>): Readonly<Record<RetryLawName, Law>> {
  const one = (key: RetryLawName): Law => ({
    ...own[key],
    for: (subject) => whyNot(key, subject) ?? ofPolicy(key, subject),
  })
  return {
    attempts: one('attempts'),
    delays: one('delays'),
    deadline: one('deadline'),
    budget: one('budget'),
    final: one('final'),
    retryAfter: one('retryAfter'),
    aborted: one('aborted'),
  }
}

function whyNot(law: RetryLawName, { retry, deadlineMs }: Subject): string | undefined {
  if (retry === undefined) return 'the configuration says nothing of retries'
  const isAboutRetries = law === 'delays' || law === 'budget' || law === 'retryAfter'
  if (isAboutRetries && retry.maxAttempts === 1) return 'there is one attempt, and no retry'
  if (law === 'deadline' && deadlineMs === undefined) return 'there is no deadline'
  if (law === 'budget' && retry.budget === undefined) return 'there is no budget'
  return undefined
}

function ofPolicy(key: RetryLawName, { retry = {}, deadlineMs }: Subject): Law {
  if (key === 'deadline' && deadlineMs !== undefined) return roomForRetries({ ...retry, deadlineMs })
  return retryLawsOf(fc.constant(retry))[key]
}

/** `retry.deadline` for one policy: its retries also have to have room before the deadline. */
function roomForRetries(policy: RetryPolicy & { readonly deadlineMs: number }): Law<RetryScenario | 'fails at once'> {
  const { name, says, cases, holds } = deadline(fc.constant(bare(policy)))
  return {
    name,
    says: `${says}; and where each fails at once, all that maxAttempts allows are made`,
    // As often as all others together, so that it is among the fewest that are ever tried.
    cases: fc.oneof(cases, fc.constant('fails at once' as const)),
    async holds(given) {
      if (given !== 'fails at once') return holds(given)
      const { attempts: seen } = await playAtOnce(policy)
      const { maxAttempts = maxAttemptsDefault, deadlineMs } = policy
      assert.ok(
        seen.length === maxAttempts,
        `each attempt failed at once, and ${seen.length} of ${maxAttempts} were made: the next would have begun after the deadline of ${deadlineMs} ms`,
      )
      return 'held'
    },
    async story(given) {
      const recording = await (given === 'fails at once' ? playAtOnce(policy) : play(given))
      return retryStory(recording, policy.deadlineMs)
    },
  }
}

/** The waits are as long as the jitter draws them. */
function playAtOnce(policy: RetryPolicy): Promise<Recording> {
  const steps = [{ does: 'fail', tookMs: 0 } as const]
  return play({ policy: bare(policy), steps, seed: 0 }, virtualClock(), { next: () => 1 - Number.EPSILON })
}
