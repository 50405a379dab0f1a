import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { BreakerOpenError } from '../../kernel/errors.ts'
import type { Letter } from '../../ports/dead-letters.ts'
import type { DeadLetters } from '../../streams/dead-letters/dead-letter-queue.ts'
import type { RedriveOptions } from '../../streams/redrive/redrive-options.ts'
import type { Law } from '../law.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'
import { type DeadLettersSubject, draftOf, queueOver } from './dead-letters-subject.ts'

/** One redrive of all letters that are not parked, or of these. `fails` by letter; what is called off sends nothing. */
interface Round {
  readonly by: 'filter' | 'ids'
  readonly how: 'sends' | 'breakerOpen' | 'aborted'
  readonly fails: readonly boolean[]
}

export interface PoisonScenario {
  readonly seed: number
  readonly letters: number
  readonly maxRedrives: number
  readonly rounds: readonly Round[]
}

/** `deadLetters.poison` */
export function poisonLaw(subject: DeadLettersSubject): Law<PoisonScenario> {
  return {
    name: 'deadLetters.poison',
    says: 'each redrive that failed counts, and nothing else does; at the limit the letter is parked and passed over',
    cases: fc.record({
      seed: fc.nat(),
      letters: fc.integer({ min: 1, max: 5 }),
      maxRedrives: fc.integer({ min: 1, max: 4 }),
      rounds: fc.array(
        fc.record({
          by: fc.constantFrom('filter', 'filter', 'ids'),
          how: fc.constantFrom('sends', 'sends', 'sends', 'breakerOpen', 'aborted'),
          fails: fc.array(fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)), {
            minLength: 5,
            maxLength: 5,
          }),
        }),
        { minLength: 1, maxLength: 8 },
      ),
    }),
    async holds({ seed, letters, maxRedrives, rounds }) {
      const clock = virtualClock()
      const queue = queueOver(subject, subject.letters(clock), { clock, seed, maxRedrives })
      const counts = new Map<number, number>()
      for (let n = 0; n < letters; n++) {
        await queue.enqueue(draftOf(n))
        counts.set(n, 0)
      }
      let parked = 0
      for (const round of rounds) {
        const given = [...counts.keys()].filter((n) => round.by === 'ids' || (counts.get(n) ?? 0) < maxRedrives)
        await play(queue, clock, round)
        if (round.how === 'sends')
          for (const n of given) {
            if (round.fails[n] === true) counts.set(n, (counts.get(n) ?? 0) + 1)
            else counts.delete(n)
          }
        parked += await compare(queue, counts, maxRedrives)
        assert.equal(clock.pendingTimers, 0, 'a timer is left')
      }
      return parked > 0 ? 'held' : 'notExercised'
    },
  }
}

async function play(queue: DeadLetters, clock: VirtualClock, { by, how, fails }: Round): Promise<void> {
  const caller = new AbortController()
  const refusal = { breaker: 'smtp', mode: 'open', retryAfterMs: 60_000, retryAt: 0, because: '' } as const
  const options: RedriveOptions = {
    signal: caller.signal,
    to: async ({ payload }: Letter, { signal }) => {
      if (how === 'breakerOpen') throw new BreakerOpenError(refusal)
      if (how === 'aborted') return clock.sleep(1e6, { signal })
      if (fails[payload as number] === true) throw new Error('again')
      return undefined
    },
  }
  const ids = (await queue.list()).items.map(({ id }) => id)
  const ended = new Promise<void>((resolve, reject) => {
    queue.redrive(by === 'ids' ? ids : {}, options).subscribe({ complete: resolve, error: reject })
  })
  if (how !== 'sends') {
    await clock.advanceBy(5_000)
    caller.abort()
  }
  await clock.runUntil(ended)
}

/** Says how many are parked. */
async function compare(queue: DeadLetters, counts: ReadonlyMap<number, number>, maxRedrives: number): Promise<number> {
  const { items } = await queue.list()
  const seen = items.map(({ payload, redriveCount, parked }) => [payload as number, redriveCount, parked] as const)
  const expected = [...counts].map(([n, count]) => [n, count, count >= maxRedrives] as const)
  assert.deepEqual(
    seen.toSorted(([one], [other]) => one - other),
    expected.toSorted(([one], [other]) => one - other),
  )
  return expected.filter(([, , parked]) => parked).length
}
