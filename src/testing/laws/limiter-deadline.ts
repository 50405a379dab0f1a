import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { memoryWindows } from '../../adapters/memory/limiter.ts'
import { UnavailableError } from '../../kernel/errors.ts'
import type { Decision, Limiter, LimitStore } from '../../ports/limiter.ts'
import { checkLimits } from '../../ports/limits.ts'
import { silentLogger } from '../../ports/logger.ts'
import { guardedLimiter, type OnUnavailable } from '../../streams/limiter/guarded-limiter.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'

/** What the store does with a question. */
type Manner = { readonly does: 'answer' | 'fail'; readonly afterMs: number } | { readonly does: 'hang' }

export interface DeadlineScenario {
  readonly seed: number
  readonly deadlineMs: number
  readonly onUnavailable: OnUnavailable
  readonly questions: readonly { readonly afterMs: number; readonly store: Manner; readonly call: 'check' | 'peek' }[]
}

const limits = { email: { limit: 3, windowMs: 1_000 } }

const manners: fc.Arbitrary<Manner> = fc.oneof(
  fc.record({ does: fc.constantFrom('answer' as const, 'fail' as const), afterMs: fc.integer({ min: 0, max: 300 }) }),
  fc.constant({ does: 'hang' as const }),
)

export const deadlineLaw: Law<DeadlineScenario> = {
  name: 'limiter.deadline',
  says: 'an answer comes within the deadline; when the store did not give it, it follows the policy and says so',
  cases: fc.record({
    seed: fc.integer(),
    deadlineMs: fc.integer({ min: 1, max: 200 }),
    onUnavailable: fc.constantFrom('open', 'closed', 'local'),
    // Of a store that answers all the time as well: its refusals must not be taken for trouble.
    questions: fc.oneof(questionsTo(manners), questionsTo(fc.constant({ does: 'answer', afterMs: 0 }))),
  }),
  async holds({ seed, deadlineMs, onUnavailable, questions }) {
    const clock = virtualClock()
    const store = unreliable(clock)
    const parts = { limits: checkLimits(limits), deadlineMs, onUnavailable, clock, logger: silentLogger }
    const local = memoryWindows({ limits, clock })
    const guarded = guardedLimiter(store, { ...parts, local, random: seededRandom(seed) })
    let degraded = 0
    let answered = false
    for (const { afterMs, store: manner, call } of questions) {
      await clock.advanceBy(afterMs)
      store.manner = manner
      const answersInTime = manner.does === 'answer' && manner.afterMs < deadlineMs
      const asked = store.asked
      const startedAt = clock.monotonic()
      const decision = await clock.runUntil(guarded[call]('acme', 'email'))
      const tookMs = clock.monotonic() - startedAt
      assert.ok(tookMs <= deadlineMs, `an answer took ${tookMs} ms, the deadline is ${deadlineMs} ms`)
      if (store.asked === asked) {
        assert.equal(tookMs, 0, 'it waited without asking')
        // Not even one that refuses: that is an answer.
        assert.ok(!(answered && decision.degraded), 'a store that has just answered is left alone')
      } else {
        assert.equal(decision.degraded, !answersInTime, 'it says other than it was')
        answered = answersInTime
      }
      if (decision.degraded) {
        degraded += 1
        assertFollows(onUnavailable, decision)
      }
    }
    await clock.advanceBy(1_000)
    assert.equal(clock.pendingTimers, 0, 'a timer is left')
    return degraded > 0 ? 'held' : 'notExercised'
  },
}

function questionsTo(store: fc.Arbitrary<Manner>): fc.Arbitrary<DeadlineScenario['questions']> {
  const afterMs = fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 600 }))
  const call = fc.constantFrom('check' as const, 'check' as const, 'peek' as const)
  return fc.array(fc.record({ afterMs, store, call }), { minLength: 1, maxLength: 25 })
}

function assertFollows(policy: OnUnavailable, { allowed, retryAfterMs }: Decision): void {
  if (policy === 'open') assert.deepEqual([allowed, retryAfterMs], [true, 0])
  if (policy === 'closed') assert.ok(!allowed && retryAfterMs > 0)
}

function unreliable(clock: VirtualClock): LimitStore & { manner: Manner; asked: number } {
  const inner = memoryWindows({ limits, clock })
  const store = {
    ...inner,
    manner: { does: 'hang' } as Manner,
    asked: 0,
    check: (...given: Parameters<Limiter['check']>) => behave(() => inner.check(...given)),
    peek: (...given: Parameters<Limiter['peek']>) => behave(() => inner.peek(...given)),
  }
  async function behave(answer: () => Promise<Decision>): Promise<Decision> {
    const { manner } = store
    store.asked += 1
    if (manner.does === 'hang') return new Promise<never>(() => {})
    if (manner.afterMs > 0) await clock.sleep(manner.afterMs)
    if (manner.does === 'fail') throw new UnavailableError('Redis', 'it is gone')
    return answer()
  }
  return store
}
