import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import type { Letter } from '../../ports/dead-letters.ts'
import type { LetterStore } from '../../ports/letter-store.ts'
import type { DeadLetters } from '../../streams/dead-letters/dead-letter-queue.ts'
import type { RedriveEvent } from '../../streams/redrive/redrive-events.ts'
import type { Law } from '../law.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'
import { deaths, ended } from './dead-letters-crash.ts'
import { type Death, type DeadLettersSubject, draftOf, processOf, queueOver } from './dead-letters-subject.ts'

/** A worker in a process of its own: of the common job, or of a redrive of its own. */
interface Worker {
  readonly of: 'job' | 'own'
  readonly startsAtMs: number
  readonly concurrency: number
  readonly abortsAtMs: number | undefined
  readonly death: Death | undefined
}

export interface RedriveScenario {
  readonly seed: number
  readonly letters: number
  readonly workers: readonly Worker[]
  /** How long the sending of each takes. */
  readonly tookMs: readonly number[]
  readonly ratePerSecond: number | undefined
}

/** `deadLetters.redrive-once` */
export function redriveOnceLaw(subject: DeadLettersSubject): Law<RedriveScenario> {
  return {
    name: 'deadLetters.redrive-once',
    says: 'of concurrent redrives each letter is sent by one, and delivered and counted once; what a crash leaves is taken over',
    cases: scenarios,
    async holds({ seed, letters: count, workers, tookMs, ratePerSecond }) {
      const clock = virtualClock()
      const letters = subject.letters(clock)
      const queue = queueOver(subject, letters, { clock, seed })
      for (let n = 0; n < count; n++) await queue.enqueue(draftOf(n))
      const [job] = await queue.redrives.start({}, { ratePerSecond })
      const sent: string[] = []
      const crew = workers.map((worker, index) => {
        const of = { subject, letters, clock, seed: seed + index + 1, jobId: job?.id ?? '' }
        return employ(of, worker, tookMs, sent)
      })
      await clock.runUntil(Promise.all(crew.map(({ ended: end }) => end)))
      const died = crew.filter(({ isAlive }) => !isAlive()).length
      for (const { id, state } of await queue.redrives.list('acme'))
        if (state === 'running')
          await clock.runUntil(ended(queue.redrives.work(id, { to: async (letter) => void sent.push(letter.id) })))
      assert.equal(new Set(sent).size, count, 'a letter was lost')
      if (died === 0) assert.equal(sent.length, count, 'a letter was sent twice')
      for (const id of sent) assert.ok(sent.filter((each) => each === id).length <= died + 1, 'sent too often')
      assert.equal(await queue.count(), 0, 'a letter is left')
      const jobs = await queue.redrives.list('acme')
      assert.equal(sum(jobs.map(({ delivered }) => delivered)), count, 'progress is not right')
      for (const { done, total, state } of jobs) assert.deepEqual([done, state], [total, 'done'])
      const told = crew.flatMap(({ delivered }) => delivered)
      assert.equal(new Set(told).size, told.length, 'an outcome was told of twice')
      return crew.filter(({ sends }) => sends() > 0).length > 1 || died > 0 ? 'held' : 'notExercised'
    },
  }
}

interface Employment {
  readonly subject: DeadLettersSubject
  readonly letters: LetterStore
  readonly clock: VirtualClock
  readonly seed: number
  readonly jobId: string
}

/** Sets a worker to work; it ends when there is nothing more to do, by its abort or its death. */
function employ(
  { subject, letters, clock, seed, jobId }: Employment,
  worker: Worker,
  tookMs: readonly number[],
  sent: string[],
) {
  const life = processOf(letters, worker.death)
  const queue: DeadLetters = queueOver(subject, life.store, { clock, seed })
  const caller = new AbortController()
  const delivered: string[] = []
  let sends = 0
  const to = async ({ id, payload }: Letter, { signal }: { readonly signal: AbortSignal }): Promise<void> => {
    await life.live(() => clock.sleep(tookMs[payload as number] ?? 0, { signal }))
    sends += 1
    sent.push(id)
  }
  const work = async (): Promise<void> => {
    await clock.sleep(worker.startsAtMs)
    const how = { to, concurrency: worker.concurrency, signal: caller.signal }
    const events$ = worker.of === 'job' ? queue.redrives.work(jobId, how) : queue.redrive({}, how)
    await new Promise<void>((resolve, reject) => {
      const next = (event: RedriveEvent): void => {
        if (event.status === 'delivered') delivered.push(event.letterId)
      }
      events$.subscribe({ next, complete: resolve, error: reject })
    })
  }
  if (worker.abortsAtMs !== undefined) clock.setTimeout(() => caller.abort(), worker.abortsAtMs)
  return { ended: Promise.race([work(), life.died]), isAlive: life.isAlive, delivered, sends: () => sends }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}

const scenarios: fc.Arbitrary<RedriveScenario> = fc.record({
  seed: fc.nat(),
  letters: fc.integer({ min: 1, max: 12 }),
  workers: fc.array(
    fc.record({
      of: fc.constantFrom('job', 'job', 'own'),
      startsAtMs: fc.constantFrom(0, 0, 10, 200),
      concurrency: fc.integer({ min: 1, max: 4 }),
      abortsAtMs: fc.option(fc.nat({ max: 1_000 }), { nil: undefined, freq: 3 }),
      death: fc.option(deaths, { nil: undefined, freq: 2 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  tookMs: fc.array(fc.oneof(fc.constant(0), fc.nat({ max: 500 }), fc.constant(15_000)), {
    minLength: 12,
    maxLength: 12,
  }),
  ratePerSecond: fc.option(fc.constantFrom(1, 10, 100), { nil: undefined }),
})
