import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { Call } from '../../machines/breaker-options.ts'
import { silentLogger } from '../../ports/logger.ts'
import { maxAttemptsDefault } from '../../streams/retry/retry-policy.ts'
import { createSafeCall } from '../../streams/safe-call/safe-call.ts'
import { fleetOfBreakers } from '../fleet-of-breakers.ts'
import type { Verdict } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import type { StoryEvent } from '../story.ts'
import { blamingWaits, BlameError } from '../verify/blame.ts'
import type { Subject } from '../verify/subject.ts'
import { describeOutcome, respondWith, type TransportOutcome } from '../verify/transport.ts'
import { virtualClock } from '../virtual-clock.ts'
import { inMemory, draftOf, queueOver } from './dead-letters-subject.ts'
import { withoutHooks } from './on-subject.ts'

/** Calls through one breaker of a configuration, as `safeCall` makes them: with its retries, its deadline, its handler. */
export interface HandledCase {
  readonly breaker: string
  readonly seed: number
  readonly calls: readonly {
    readonly afterMs: number
    /** What the transport does each time that it is asked; the last again and again. */
    readonly responses: readonly TransportOutcome[]
  }[]
}

export function handledCases(subject: Subject): fc.Arbitrary<HandledCase> {
  const responses = fc.oneof(
    fc.array(subject.outcomes, { minLength: 1, maxLength: 4 }),
    fc.constantFrom(...subject.failures).map((failure) => [failure]),
  )
  const call = fc.record({ afterMs: fc.oneof(fc.constant(0), fc.nat({ max: 2_000 })), responses })
  return fc.record({
    breaker: fc.constantFrom(...subject.breakers.map(({ name }) => name)),
    seed: fc.nat(),
    calls: fc.array(call, { minLength: 1, maxLength: 16, size: 'max' }),
  })
}

interface HandledCall {
  /** How often the handler was called, and how often it gave a value. */
  begun: number
  given: number
  outcome?: Outcome<unknown>
}

/** A request that reached the transport. */
interface Request {
  readonly atMs: number
  /** Whether the call that it belongs to was over: it had been answered, or stopped. */
  readonly late: boolean
  readonly mode: string
}

export interface HandledPlay {
  readonly calls: readonly HandledCall[]
  readonly requests: readonly Request[]
  /** Ids of letters. */
  readonly letters: readonly string[]
  readonly told: readonly StoryEvent[]
}

export async function playHandled(subject: Subject, given: HandledCase): Promise<HandledPlay> {
  const breaker = subject.breakers.find(({ name }) => name === given.breaker)
  assert.ok(breaker !== undefined)
  const clock = virtualClock({ startAt: 1_000_000 })
  const random = seededRandom(given.seed)
  const log = memoryLog({ clock, random })
  const options = withoutHooks(breaker.options)
  const [instance] = fleetOfBreakers({ instances: 1, clockOf: () => clock, random, log, options }).instances
  assert.ok(instance !== undefined)
  await clock.settle()
  const queue = queueOver(inMemory, inMemory.letters(clock), { clock, seed: given.seed })
  const { budget: _budget, classify: _classify, signal: _signal, onRetry: _onRetry, ...retry } = subject.retry ?? {}
  const safeCall = createSafeCall({
    ...{ clock, random, retry, deadlineMs: subject.deadlineMs, deadLetters: queue, logger: silentLogger },
    breakerOf: (name) => instance.breaker(name),
    isClosing: () => false,
  })
  const calls: HandledCall[] = given.calls.map(() => ({ begun: 0, given: 0 }))
  const requests: Request[] = []
  const told: StoryEvent[] = []
  const tell = (what: string): void => void told.push({ atMs: clock.monotonic(), who: breaker.name, what })

  const one = async (n: number, responses: readonly TransportOutcome[]): Promise<void> => {
    const own = calls[n]
    if (own === undefined) return
    let asked = 0
    const work = async (call: Call): Promise<unknown> => {
      own.begun += 1
      let isOver = false
      const respond = (): Promise<unknown> => {
        const { mode } = instance.breaker(breaker.name).state
        const late = isOver || call.signal.aborted
        requests.push({ atMs: clock.monotonic(), late, mode })
        const response = responses[Math.min(asked++, responses.length - 1)] ?? { does: 'timeOut' as const }
        tell(`call ${n + 1} asks the transport, which ${describeOutcome(response)}${late ? '; the call is over' : ''}`)
        return respondWith(response, clock, call)
      }
      try {
        const value = await (breaker.handler === undefined ? respond() : breaker.handler(call, respond))
        own.given += 1
        return value
      } finally {
        isOver = true
      }
    }
    const { error: _error, ...letter } = draftOf(n)
    own.outcome = await safeCall({ breaker: breaker.name, deadLetter: () => letter }, work)
    tell(`call ${n + 1} is ${own.outcome.status}`)
  }

  const under: Promise<void>[] = []
  for (const [n, { afterMs, responses }] of given.calls.entries()) {
    await clock.advanceBy(afterMs)
    under.push(one(n, responses))
  }
  await blamingWaits(breaker, clock.runUntil(Promise.all(under)))
  // What a handler goes on to do by itself has its time, too.
  await clock.advanceBy(120_000)
  for (const { trueAt, from, to } of instance.transitions)
    told.push({ atMs: trueAt, who: 'breaker', what: `${from} → ${to}` })
  const { items } = await queue.list({}, { limit: 1_000 })
  return { calls, requests, letters: items.map(({ id }) => id), told }
}

/** `breaker.refuses`, of what a handler does when its call is over: nobody admits that. */
export function assertRefused({ breaker }: HandledCase, { requests }: HandledPlay): Verdict {
  const leak = requests.find(({ late, mode }) => late && mode !== 'closed' && mode !== 'disabled')
  if (leak !== undefined)
    throw new BlameError(
      `handlers.${breaker}`,
      `the handler of "${breaker}" asked the transport ${leak.atMs} ms into the case, when its call was over and the breaker ${leak.mode}: nobody had let that through; it should heed call.signal`,
    )
  return requests.length > 0 ? 'held' : 'notExercised'
}

/** `deadLetters.one-outcome`, of calls with their retries. */
export function assertOneOutcome({ retry }: Subject, { calls, letters }: HandledPlay): Verdict {
  const { maxAttempts = maxAttemptsDefault } = retry ?? {}
  let written = 0
  for (const [n, { begun, given, outcome }] of calls.entries()) {
    const letter = `acme.${n}`
    const isWritten = letters.includes(letter)
    written += isWritten ? 1 : 0
    assert.ok(begun <= maxAttempts, `call ${n + 1}: ${begun} attempts were made, ${maxAttempts} are allowed`)
    if (outcome?.status === 'delivered')
      assert.ok(given > 0 && !isWritten, `call ${n + 1} is delivered: ${given} values, a letter: ${isWritten}`)
    else
      assert.ok(
        outcome?.status === 'deadLettered' && outcome.letterId === letter && isWritten,
        `call ${n + 1} is ${outcome?.status}, a letter: ${isWritten}`,
      )
  }
  assert.equal(letters.length, written, 'a letter of no call')
  return written > 0 ? 'held' : 'notExercised'
}
