import { describe, expect, test } from 'vitest'
import { OverCapacityError } from '../../src/kernel/errors.ts'
import type { LetterStore } from '../../src/ports/letter-store.ts'
import { readLetter, writeLetter } from '../../src/ports/letter.ts'
import type { DeadLetters } from '../../src/streams/dead-letters/dead-letter-queue.ts'
import { examineLaw, proveLaw } from '../../src/testing/law.ts'
import { deadLettersLaws, type DeadLettersLawName, deadLettersLawsOf } from '../../src/testing/laws/dead-letters.ts'
import { inMemory } from '../../src/testing/laws/dead-letters-subject.ts'
import { unshrunk } from './unshrunk.ts'

describe('the laws of dead letters', () => {
  test.each(Object.values(deadLettersLaws).map((law) => [law.name, law.says, law] as const))(
    '%s: %s',
    async (_name, _says, law) => {
      expect(await proveLaw(law)).toMatchObject({ status: 'passed' })
    },
  )
})

/** A queue that says that all is well when its store is not there. */
function hopeful({ enqueue }: DeadLetters): Partial<DeadLetters> {
  return {
    enqueue: (draft) =>
      enqueue(draft).catch(() => readLetter(writeLetter(draft, { at: 0, newId: () => 'x', bodyBytesMax: 1_000 }))),
  }
}

describe('the laws of dead letters find', () => {
  const queues: readonly [
    what: string,
    law: DeadLettersLawName,
    change: (queue: DeadLetters) => Partial<DeadLetters>,
  ][] = [
    ['a queue that drops what its store does not take', 'redisDown', hopeful],
    ['an outcome of which there is no letter', 'oneOutcome', hopeful],
    [
      'a queue that acknowledges before the store does',
      'durableFirst',
      ({ enqueue }) => ({
        async enqueue(draft) {
          enqueue(draft).catch(() => {})
          return readLetter(writeLetter(draft, { at: 0, newId: () => 'x', bodyBytesMax: 1_000 }))
        },
      }),
    ],
    [
      'a refusal without a type',
      'redisDown',
      ({ enqueue }) => ({ enqueue: (draft) => enqueue(draft).catch(() => Promise.reject(new Error('no'))) }),
    ],
    [
      'a letter that is parked one redrive too late',
      'poison',
      ({ redrive }) => ({ redrive: (letters, how) => redrive(letters, { ...how, maxRedrives: 5 }) }),
    ],
    [
      'a filter that is not looked at',
      'index',
      ({ count }) => ({ count: ({ channel: _channel, ...filter } = {}) => count(filter) }),
    ],
  ]
  const stores: readonly [
    what: string,
    law: DeadLettersLawName,
    change: (store: LetterStore) => Partial<LetterStore>,
  ][] = [
    [
      'a letter that leaves the queue before it is delivered',
      'kill',
      ({ jobs, remove }) => ({
        jobs: {
          ...jobs,
          async take(id, how) {
            const taken = await jobs.take(id, how)
            await remove(taken?.work.map(({ letter }) => letter.header.id) ?? [])
            return taken
          },
        },
      }),
    ],
    [
      'a lease that nobody keeps to',
      'redriveOnce',
      ({ jobs }) => ({ jobs: { ...jobs, take: (id, how) => jobs.take(id, { ...how, leaseMs: 1 }) } }),
    ],
    [
      'progress that counts a letter twice',
      'redriveOnce',
      ({ jobs }) => ({
        jobs: {
          ...jobs,
          list: async (organization) =>
            (await jobs.list(organization)).map((job) => ({ ...job, delivered: job.delivered * 2 })),
        },
      }),
    ],
    [
      'a redrive that is spent on an open breaker',
      'poison',
      ({ jobs, get, replace }) => ({
        jobs: {
          ...jobs,
          async giveBack(id, turn) {
            const { of } = (await jobs.get(id)) ?? { of: { ids: [] } }
            for (const letter of 'ids' in of ? of.ids : ['acme.0']) {
              const found = await get(letter)
              if (found === undefined) continue
              const { header, body } = found
              const redriveCount = header.redriveCount + 1
              await replace({ header: { ...header, redriveCount, version: header.version + 1 }, body }, header.version)
            }
            await jobs.giveBack(id, turn)
          },
        },
      }),
    ],
    [
      'a redrive that is not counted',
      'poison',
      ({ jobs }) => ({
        jobs: {
          ...jobs,
          settle: (id, turn, outcome, next) =>
            jobs.settle(id, turn, outcome, next && { ...next, header: { ...next.header, redriveCount: 0 } }),
        },
      }),
    ],
    [
      'an outcome that is told of and not stored',
      'durableFirst',
      ({ jobs }) => ({ jobs: { ...jobs, settle: async (id) => (await jobs.get(id)) ?? 'lost' } }),
    ],
    [
      'stats that do not know what is parked',
      'index',
      ({ rows }) => ({
        rows: async (filter, cursor) => {
          const page = await rows(filter, cursor)
          return { ...page, items: page.items.map((row) => ({ ...row, parked: 0 })) }
        },
      }),
    ],
  ]

  const spills: readonly [what: string, spill: typeof inMemory.spill][] = [
    [
      'a spill that forgets what it took',
      (store, journal, options) => inMemory.spill(store, { ...journal, append: async () => {} }, options),
    ],
    [
      'a letter that its store refuses in the end, and that is dropped for it',
      (store, journal, options) => {
        const add: LetterStore['add'] = (letter, bounds) =>
          store.add(letter, bounds).catch((error: unknown) => {
            if (error instanceof OverCapacityError) return { status: 'added', letter }
            throw error
          })
        return inMemory.spill({ ...store, add }, journal, options)
      },
    ],
    [
      'letters that wait for ever',
      (store, journal, options) => {
        const spilling = inMemory.spill(store, { ...journal, async *parts() {} }, options)
        return { ...spilling, spilled: () => 0 }
      },
    ],
  ]

  async function expectBroken(law: DeadLettersLawName, subject: typeof inMemory): Promise<void> {
    const report = await examineLaw(unshrunk(deadLettersLawsOf(subject)[law]), { runs: 1_000, seed: 1 })
    expect(report.status, report.message).toBe('failed')
  }

  test.each(queues)('%s (%s)', async (_what, law, change) => {
    const queue: typeof inMemory.queue = (store, options) => {
      const sound = inMemory.queue(store, options)
      return { ...sound, ...change(sound) }
    }
    await expectBroken(law, { ...inMemory, queue })
  })

  test.each(spills)('%s (redisDown)', async (_what, spill) => {
    await expectBroken('redisDown', { ...inMemory, spill })
  })

  test.each(stores)('%s (%s)', async (_what, law, change) => {
    const letters: typeof inMemory.letters = (clock) => {
      const sound = inMemory.letters(clock)
      return { ...sound, ...change(sound) }
    }
    await expectBroken(law, { ...inMemory, letters })
  })
})
