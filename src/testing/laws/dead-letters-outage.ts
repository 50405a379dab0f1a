import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { OverCapacityError, UnavailableError } from '../../kernel/errors.ts'
import type { LetterStore } from '../../ports/letter-store.ts'
import { silentLogger } from '../../ports/logger.ts'
import { readSpilled } from '../../streams/dead-letters/spilled-letter.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { simulatedJournal } from '../simulated-journal.ts'
import { virtualClock } from '../virtual-clock.ts'
import { behind, type DeadLettersSubject, draftOf, queueOver } from './dead-letters-subject.ts'

/** What the store does with what it is asked: `lost` does it and does not say so. */
type Manner = 'there' | 'away' | 'lost' | 'hangs'

export interface OutageScenario {
  readonly seed: number
  readonly lettersMax: number
  /** How much there is room for beside the store, in bytes; no spill when absent. */
  readonly spillBytesMax: number | undefined
  /** One letter after the other, what the store does meanwhile, and whether the process dies afterwards. */
  readonly steps: readonly {
    readonly id: number
    readonly store: Manner
    readonly diskIsFull: boolean
    readonly waitMs: number
    readonly dies: boolean
  }[]
}

const deadlineMs = 100

/** `deadLetters.redis-down` */
export function redisDownLaw(subject: DeadLettersSubject): Law<OutageScenario> {
  return {
    name: 'deadLetters.redis-down',
    says: 'what was taken in is in the store after the outage, once, or set aside; a full spill, or none, refuses with a typed error',
    cases: scenarios,
    async holds({ seed, lettersMax, spillBytesMax, steps }) {
      const clock = virtualClock()
      const letters = subject.letters(clock)
      const journal = spillBytesMax === undefined ? undefined : simulatedJournal({ bytesMax: spillBytesMax })
      let manner: Manner = 'there'
      const start = () => {
        let isAlive = true
        const gate = async <T>(call: () => Promise<T>): Promise<T> => {
          if (!isAlive || manner === 'hangs') return new Promise<T>(() => {})
          if (manner === 'away') throw new UnavailableError('store', 'it is away')
          const answer = await call()
          if (manner === 'lost') throw new UnavailableError('store', 'it went before it answered')
          return answer
        }
        const store = spill(behind(letters, gate))
        const queue = queueOver(subject, store, { clock, seed, lettersMax })
        return { queue, store, die: () => void (isAlive = false) }
      }
      const spill = (store: LetterStore): LetterStore => {
        if (journal === undefined) return store
        return subject.spill(store, journal, { deadlineMs, clock, random: seededRandom(seed), logger: silentLogger })
      }

      let process = start()
      const takenIn = new Set<string>()
      let [refusals, spilled, deaths] = [0, 0, 0]
      for (const { id, store, diskIsFull, waitMs, dies } of steps) {
        // Without a spill nothing bounds a store that hangs but its own adapter.
        manner = store === 'hangs' && journal === undefined ? 'away' : store
        if (journal !== undefined) journal.isAway = diskIsFull
        const taken = await clock.runUntil(process.queue.enqueue(draftOf(id))).catch((error: unknown) => {
          const isFull = error instanceof OverCapacityError
          assert.ok(isFull || error instanceof UnavailableError, `refused with ${String(error)}`)
        })
        if (taken === undefined) refusals += 1
        else takenIn.add(taken.id)
        spilled += journal?.records ?? 0
        await clock.advanceBy(waitMs)
        if (!dies || journal === undefined) continue
        process.die()
        process = start()
        deaths += 1
      }

      manner = 'there'
      if (journal !== undefined) journal.isAway = false
      await clock.advanceBy(120_000)
      assert.equal(process.store.spilled?.() ?? 0, 0, 'letters still wait')
      const { items } = await clock.runUntil(process.queue.list({}, { limit: 1_000 }))
      const there = items.map(({ id }) => id)
      assert.equal(new Set(there).size, there.length, 'a letter is there twice')
      assert.ok(there.length <= lettersMax, 'there are more letters than may be')
      const aside = (journal?.aside ?? []).map((record) => readSpilled(record)?.letter.header.id)
      for (const id of takenIn)
        assert.ok(there.includes(id) || aside.includes(id), `${id} was taken in, and is nowhere`)
      await clock.runUntil(process.store.close?.() ?? Promise.resolve())
      if (deaths === 0) assert.equal(clock.pendingTimers, 0, 'a timer is left')
      return takenIn.size > 0 && (refusals > 0 || spilled > 0) ? 'held' : 'notExercised'
    },
  }
}

const scenarios: fc.Arbitrary<OutageScenario> = fc.record({
  seed: fc.nat(),
  lettersMax: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant(1_000)),
  spillBytesMax: fc.option(fc.constantFrom(2_000, 5_000, 1_000_000), { nil: undefined, freq: 3 }),
  steps: fc.array(
    fc.record({
      id: fc.nat({ max: 15 }),
      store: fc.constantFrom('there', 'there', 'away', 'away', 'lost', 'hangs'),
      diskIsFull: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
      waitMs: fc.constantFrom(0, 0, 10, 1_000),
      dies: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
    }),
    { minLength: 1, maxLength: 20 },
  ),
})
