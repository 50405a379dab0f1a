import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { memoryLimiter } from '../../adapters/memory/limiter.ts'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import { UnavailableError } from '../../kernel/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import { silentLogger } from '../../ports/logger.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import { createSafeCall, type SafeCall } from '../../streams/safe-call/safe-call.ts'
import { fleetOfBreakers } from '../fleet-of-breakers.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import type { Subject } from '../verify/subject.ts'
import { virtualClock } from '../virtual-clock.ts'
import { ended } from './dead-letters-crash.ts'
import { behind, type DeadLettersSubject, draftOf, queueOver } from './dead-letters-subject.ts'
import { assertOneOutcome, type HandledCase, handledCases, playHandled } from './handled-calls.ts'

interface Input {
  readonly afterMs: number
  readonly does: 'succeed' | 'fail' | 'hang'
  readonly tookMs: number
  readonly asks: 'letter' | 'fallback' | 'both' | 'nothing'
  readonly abortsAfterMs: number | undefined
}

export interface OutcomeScenario {
  readonly seed: number
  readonly inputs: readonly Input[]
  /** When the store of letters is away. */
  readonly outage: { readonly fromMs: number; readonly forMs: number }
}

/** `deadLetters.one-outcome` */
export function oneOutcomeLaw(of: DeadLettersSubject): Law<OutcomeScenario> {
  return {
    name: 'deadLetters.one-outcome',
    says: 'each message ends in one of delivered, dead-lettered, failed, fallback, refused, and is where that says it is',
    cases: scenarios,
    for: (subject) => ofSubject(oneOutcomeLaw(of), subject),
    async holds({ seed, inputs, outage }) {
      const clock = virtualClock()
      const letters = of.letters(clock)
      const isAway = (): boolean => {
        const sinceMs = clock.monotonic() - outage.fromMs
        return sinceMs >= 0 && sinceMs < outage.forMs
      }
      const store = behind(letters, (call) =>
        isAway() ? Promise.reject(new UnavailableError('store', 'it is away')) : call(),
      )
      const queue = queueOver(of, store, { clock, seed })
      const call = await clock.runUntil(safeCallOver(clock, seed, queue))
      const worked = new Set<number>()
      const outcomes: Outcome<unknown>[][] = inputs.map(() => [])
      const under: Promise<void>[] = []
      for (const [n, input] of inputs.entries()) {
        await clock.advanceBy(input.afterMs)
        const own = outcomes[n] ?? []
        under.push(make(call, clock, input, n, worked).then((outcome) => void own.push(outcome)))
      }
      await clock.runUntil(Promise.all(under))
      await clock.advanceBy(outage.fromMs + outage.forMs)
      const inQueue = new Set((await queue.list({}, { limit: 1_000 })).items.map(({ payload }) => payload as number))
      for (const [n, own] of outcomes.entries()) {
        assert.equal(own.length, 1, 'not one outcome')
        check(own[0], n, inputs[n], inQueue.has(n), worked.has(n))
      }
      const redriven: number[] = []
      await clock.runUntil(ended(queue.redrive({}, { to: async (letter) => redriven.push(letter.payload as number) })))
      assert.deepEqual(new Set(redriven), inQueue)
      assert.equal(redriven.length, inQueue.size)
      return inQueue.size > 0 ? 'held' : 'notExercised'
    },
  }
}

/** For one configuration also: calls with its retries, its deadline and its handlers. */
function ofSubject(own: Law<OutcomeScenario>, subject: Subject): Law<OutcomeScenario | HandledCase> {
  return {
    name: own.name,
    says: own.says,
    cases: fc.oneof(own.cases, handledCases(subject)),
    holds: async (given) =>
      'calls' in given ? assertOneOutcome(subject, await playHandled(subject, given)) : own.holds(given),
    story: async (given) => ('calls' in given ? (await playHandled(subject, given)).told : []),
  }
}

function check(
  outcome: Outcome<unknown> | undefined,
  n: number,
  input: Input | undefined,
  isInQueue: boolean,
  hasWorked: boolean,
): void {
  switch (outcome?.status) {
    case 'delivered':
      assert.ok(hasWorked, 'delivered, and the work was not done')
      return assert.ok(!isInQueue, 'delivered, and dead-lettered, too')
    case 'deadLettered':
      assert.equal(outcome.letterId, `acme.${n}`)
      return assert.ok(isInQueue, 'dead-lettered, and there is no letter')
    case 'fallback':
      return assert.equal(isInQueue, outcome.letterId !== undefined, 'a letter that the outcome does not know')
    case 'failed':
    case 'refused':
      assert.ok(!isInQueue, `${outcome.status}, and dead-lettered, too`)
      return assert.ok(outcome.status === 'refused' || input?.asks !== 'fallback', 'failed, and there was a fallback')
    default:
      return assert.fail('no such outcome')
  }
}

/** `safeCall` on a real breaker and a real limiter. */
async function safeCallOver(clock: Clock, seed: number, deadLetters: ReturnType<typeof queueOver>): Promise<SafeCall> {
  const random = seededRandom(seed)
  const log = memoryLog({ clock, random })
  const options = { failureThreshold: 3, recoveryTimeoutMs: 500 }
  const { instances } = fleetOfBreakers({ instances: 1, clockOf: () => clock, random, log, options })
  const [instance] = instances
  if (instance === undefined) return assert.fail('there is no instance')
  await instance.replica.whenLinked(1_000)
  const limiter = memoryLimiter({ clock, limits: { email: { limit: 4, windowMs: 1_000 } } })
  const parts = { limiter, deadLetters, clock, random, logger: silentLogger, isClosing: () => false }
  return createSafeCall({ ...parts, breakerOf: (name) => instance.breaker(name) })
}

async function make(
  call: SafeCall,
  clock: Clock,
  { does, tookMs, asks, abortsAfterMs }: Input,
  n: number,
  worked: Set<number>,
): Promise<Outcome<unknown>> {
  const caller = new AbortController()
  if (abortsAfterMs !== undefined) clock.setTimeout(() => caller.abort(), abortsAfterMs)
  const { error: _error, ...letter } = draftOf(n)
  const work = async ({ signal }: { readonly signal: AbortSignal }): Promise<number> => {
    await clock.sleep(does === 'hang' ? 1e6 : tookMs, { signal })
    if (does === 'fail') throw new Error('down')
    worked.add(n)
    return n
  }
  return call(
    {
      breaker: 'smtp',
      timeoutMs: 200,
      retry: { maxAttempts: 2, baseDelayMs: 20 },
      limit: { key: 'acme', names: 'email' },
      signal: caller.signal,
      ...(asks === 'letter' || asks === 'both' ? { deadLetter: () => letter } : {}),
      ...(asks === 'fallback' || asks === 'both' ? { fallback: () => -1 } : {}),
    },
    work,
  )
}

const scenarios: fc.Arbitrary<OutcomeScenario> = fc.record({
  seed: fc.nat(),
  inputs: fc.array(
    fc.record({
      afterMs: fc.oneof(fc.constant(0), fc.nat({ max: 600 })),
      does: fc.constantFrom('succeed', 'fail', 'fail', 'hang'),
      tookMs: fc.nat({ max: 100 }),
      asks: fc.constantFrom('letter', 'letter', 'both', 'fallback', 'nothing'),
      abortsAfterMs: fc.option(fc.nat({ max: 300 }), { nil: undefined, freq: 6 }),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  outage: fc.record({ fromMs: fc.nat({ max: 2_000 }), forMs: fc.constantFrom(0, 0, 100, 1_000) }),
})
