import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { UnavailableError } from '../../kernel/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Letter } from '../../ports/dead-letters.ts'
import type { LetterStore } from '../../ports/letter-store.ts'
import type { DeadLetters } from '../../streams/dead-letters/dead-letter-queue.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'
import { behind, type Death, type DeadLettersSubject, draftOf, processOf, queueOver } from './dead-letters-subject.ts'

export const deaths: fc.Arbitrary<Death> = fc.record({ atCall: fc.nat({ max: 25 }), isDone: fc.boolean() })

export interface KillScenario {
  readonly seed: number
  readonly messages: number
  /** Of one process after the other; the last one lives. */
  readonly deaths: readonly Death[]
}

/** `deadLetters.kill` */
export function killLaw(subject: DeadLettersSubject): Law<KillScenario> {
  return {
    name: 'deadLetters.kill',
    says: 'killed anywhere, each message is delivered at least once, and once when told apart by id; none is left, nor comes back',
    cases: fc.record({
      seed: fc.nat(),
      messages: fc.integer({ min: 1, max: 8 }),
      deaths: fc.array(deaths, { minLength: 1, maxLength: 4 }),
    }),
    async holds({ seed, messages, deaths: killed }) {
      const clock = virtualClock()
      const letters = subject.letters(clock)
      const random = seededRandom(seed)
      const acknowledged = new Set<number>()
      const delivered = new Map<string, number>()
      let died = 0
      for (const death of [...killed, undefined]) {
        const life = processOf(letters, death)
        const queue = queueOver(subject, life.store, { clock, seed: seed + died })
        const to = async ({ id }: Letter): Promise<void> => {
          await life.live(() => clock.sleep(random.next() * 50))
          delivered.set(id, (delivered.get(id) ?? 0) + 1)
        }
        const work = async (): Promise<void> => {
          for (let n = 0; n < messages; n++) {
            if (acknowledged.has(n)) continue
            await queue.enqueue(draftOf(n))
            acknowledged.add(n)
          }
          await finish(queue, to)
        }
        if ((await clock.runUntil(Promise.race([life.died, work()]))) === 'died') died += 1
      }
      assert.deepEqual(
        [...delivered.keys()].toSorted(),
        Array.from({ length: messages }, (_, n) => `acme.${n}`).toSorted(),
      )
      assert.ok(Math.max(...delivered.values()) <= died + 1, 'a letter was delivered more often than somebody died')
      assert.equal((await letters.count({})).count, 0, 'a letter is left')
      // Whoever did not hear that it was taken sends it again.
      const late = queueOver(subject, letters, { clock, seed })
      for (let n = 0; n < messages; n++) await late.enqueue(draftOf(n))
      assert.equal((await letters.count({})).count, 0, 'a delivered letter is added again')
      return died > 0 ? 'held' : 'notExercised'
    },
  }
}

/** Goes on with every job that is under way, and then redrives what is left. */
async function finish(queue: DeadLetters, to: (letter: Letter) => Promise<void>): Promise<void> {
  for (const { id, state } of await queue.redrives.list('acme'))
    if (state === 'running' || state === 'paused') await ended(queue.redrives.work(id, { to }))
  await ended(queue.redrive({}, { to, concurrency: 3 }))
}

export function ended(events$: ReturnType<DeadLetters['redrive']>): Promise<void> {
  return new Promise((resolve, reject) => events$.subscribe({ complete: resolve, error: reject }))
}

/** What becomes of a call of the store: whether it is done, when, and when it is answered, if at all. */
interface Manner {
  readonly doneAfterMs: number
  readonly answers: 'yes' | 'no' | 'undone' | 'never'
  readonly answerAfterMs: number
}

export interface DurableScenario {
  readonly messages: number
  /** Of the calls of the store, one after the other and over again. */
  readonly manners: readonly Manner[]
}

/** `deadLetters.durable-first` */
export function durableFirstLaw(subject: DeadLettersSubject): Law<DurableScenario> {
  return {
    name: 'deadLetters.durable-first',
    says: 'a letter is acknowledged, and its redrive told of, only when the store has it so; else the call rejects',
    cases: fc.record({
      messages: fc.integer({ min: 1, max: 12 }),
      manners: fc.array(
        fc.record({
          doneAfterMs: fc.nat({ max: 50 }),
          answers: fc.constantFrom('yes', 'yes', 'yes', 'no', 'undone', 'never'),
          answerAfterMs: fc.nat({ max: 50 }),
        }),
        { minLength: 1, maxLength: 12 },
      ),
    }),
    async holds({ messages, manners }) {
      const clock = virtualClock()
      const letters = subject.letters(clock)
      let calls = 0
      const store = behind(letters, (call) => {
        const manner = manners[calls++ % manners.length]
        return manner === undefined ? call() : inManner(clock, manner, call)
      })
      const queue = queueOver(subject, store, { clock, seed: messages })
      const kept: Promise<void>[] = []
      const refused: unknown[] = []
      for (let n = 0; n < messages; n++)
        kept.push(
          queue.enqueue(draftOf(n)).then(
            async ({ id }) => assert.ok(await letters.get(id), `${id} was acknowledged and is not there`),
            (error: unknown) => void refused.push(error),
          ),
        )
      await clock.runUntil(Promise.race([Promise.all(kept), clock.sleep(1_000)]))
      for (const error of refused) assert.ok(error instanceof UnavailableError)
      await redriveAndCheck(queue, letters, clock)
      return manners.some(({ answers }) => answers !== 'yes') ? 'held' : 'notExercised'
    },
  }
}

/** Whatever an event says is so in the store. */
async function redriveAndCheck(queue: DeadLetters, letters: LetterStore, clock: VirtualClock): Promise<void> {
  const told: Promise<void>[] = []
  const wrong: unknown[] = []
  const to = async ({ payload }: Letter): Promise<void> => {
    if ((payload as number) % 3 === 0) throw new Error('again')
  }
  const check = async (letterId: string, status: string): Promise<void> => {
    const letter = await letters.get(letterId)
    if (status === 'delivered') assert.equal(letter, undefined, 'told of, and still there')
    else assert.equal(letter?.header.redriveCount, 1, 'told of, and not counted')
  }
  const subscription = queue.redrive({}, { to }).subscribe({
    next(event) {
      if (!('letterId' in event)) return
      told.push(check(event.letterId, event.status).catch((error: unknown) => void wrong.push(error)))
    },
    // The redrive cannot even be started while the store is away.
    error: () => {},
  })
  await clock.advanceBy(5_000)
  subscription.unsubscribe()
  await Promise.all(told)
  for (const error of wrong) throw error
}

async function inManner<T>(clock: Clock, manner: Manner, call: () => Promise<T>): Promise<T> {
  const { doneAfterMs, answers, answerAfterMs } = manner
  await clock.sleep(doneAfterMs)
  if (answers === 'undone') throw new UnavailableError('store', 'gone before it was done')
  const answer = await call()
  await clock.sleep(answerAfterMs)
  if (answers === 'never') return new Promise<T>(() => {})
  if (answers === 'no') throw new UnavailableError('store', 'gone before it answered')
  return answer
}
