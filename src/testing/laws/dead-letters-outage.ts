import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { OverCapacityError, UnavailableError } from '../../kernel/errors.ts'
import type { Law } from '../law.ts'
import { virtualClock } from '../virtual-clock.ts'
import { behind, type DeadLettersSubject, draftOf, queueOver } from './dead-letters-subject.ts'

export interface OutageScenario {
  readonly seed: number
  readonly lettersMax: number
  /** One letter after the other, and what the store does with it: `lost` does it and does not say so. */
  readonly letters: readonly { readonly id: number; readonly store: 'there' | 'away' | 'lost' }[]
}

/** `deadLetters.redis-down` */
export function redisDownLaw(subject: DeadLettersSubject): Law<OutageScenario> {
  return {
    name: 'deadLetters.redis-down',
    says: 'what was taken in is there after the outage, once; what could not be is refused with a typed error, never dropped',
    cases: fc.record({
      seed: fc.nat(),
      lettersMax: fc.integer({ min: 1, max: 12 }),
      letters: fc.array(
        fc.record({ id: fc.nat({ max: 15 }), store: fc.constantFrom('there', 'there', 'away', 'lost') }),
        { minLength: 1, maxLength: 25 },
      ),
    }),
    async holds({ seed, lettersMax, letters: given }) {
      const clock = virtualClock()
      const letters = subject.letters(clock)
      let manner: 'there' | 'away' | 'lost' = 'there'
      const store = behind(letters, async (call) => {
        if (manner === 'away') throw new UnavailableError('store', 'it is away')
        const answer = await call()
        if (manner === 'lost') throw new UnavailableError('store', 'it went before it answered')
        return answer
      })
      const queue = queueOver(subject, store, { clock, seed, lettersMax })
      const takenIn = new Set<string>()
      let refusals = 0
      for (const { id, store: how } of given) {
        manner = how
        try {
          takenIn.add((await clock.runUntil(queue.enqueue(draftOf(id)))).id)
        } catch (error) {
          refusals += 1
          const isFull = error instanceof OverCapacityError && error.max === lettersMax
          assert.ok(isFull || (error instanceof UnavailableError && how !== 'there'), `refused with ${String(error)}`)
        }
      }
      manner = 'there'
      const { items } = await clock.runUntil(queue.list({}, { limit: 1_000 }))
      const there = items.map(({ id }) => id)
      assert.equal(new Set(there).size, there.length, 'a letter is there twice')
      for (const id of takenIn) assert.ok(there.includes(id), `${id} was taken in and is not there`)
      assert.ok(there.length <= lettersMax, 'there are more letters than may be')
      return refusals > 0 && takenIn.size > 0 ? 'held' : 'notExercised'
    },
  }
}
