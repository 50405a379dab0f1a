import { describe, expect, test } from 'vitest'
import { memoryLetters } from '../../src/adapters/memory/letters.ts'
import type { LetterStore } from '../../src/ports/letter-store.ts'
import { memoryDeadLetters } from '../../src/factories/memory-dead-letters.ts'
import { memoryLog } from '../../src/adapters/memory/event-log.ts'
import type { DeadLetters } from '../../src/streams/dead-letters/dead-letter-queue.ts'
import type { EventLog, LogMembership } from '../../src/ports/event-log.ts'
import type { TestFunction } from '../../src/testing/port-contracts/contract.ts'
import { portContracts } from '../../src/testing/port-contracts/port-contracts.ts'

/** The sentences of a contract that an adapter breaks. */
async function broken(contract: (collect: TestFunction) => void): Promise<string[]> {
  const tests: [name: string, run: () => Promise<void>][] = []
  contract((name, run) => tests.push([name, run]))
  expect(tests.length).toBeGreaterThan(10)
  const failures: string[] = []
  for (const [name, run] of tests) await run().catch(() => failures.push(name))
  return failures
}

/** A log in which a member is changed. */
function changedLog(change: (membership: LogMembership) => Partial<LogMembership>): EventLog {
  const log = memoryLog()
  return {
    join(member, follower) {
      const membership = log.join(member, follower)
      return { ...membership, ...change(membership) }
    },
  }
}

describe('the contract of the event log is broken by a log', () => {
  const plants: readonly [what: string, sentence: RegExp, make: () => EventLog][] = [
    [
      'that does not compare what is expected',
      /only if what it expects is the last/,
      () =>
        changedLog(({ append, read }) => ({
          append: async (message) => append({ ...message, expected: (await read(message.topic)).at(-1)?.seq ?? 0 }),
        })),
    ],
    [
      'that stores an id as often as it comes',
      /same id again stores it once/,
      () => changedLog(({ append }) => ({ append: (message) => append({ ...message, id: String(Math.random()) }) })),
    ],
    [
      'that reads newest first',
      /oldest first/,
      () => changedLog(({ read }) => ({ read: async (topic) => (await read(topic)).toReversed() })),
    ],
    [
      'that goes on telling who left',
      /who left gets no further callback/,
      () => changedLog(() => ({ leave: async () => {} })),
    ],
    [
      'that takes messages of any length',
      /more than 8192 bytes is refused/,
      () => changedLog(({ append }) => ({ append: (m) => append({ ...m, data: m.data.subarray(0, 8_000) }) })),
    ],
    [
      'that calls back from within a call',
      /never from within a call/,
      () => {
        const log = memoryLog()
        return {
          join: (member, follower) => {
            follower.onLink({ state: 'down', why: 'not yet' })
            return log.join(member, follower)
          },
        }
      },
    ],
    [
      'that delivers a message twice',
      /each once/,
      () => {
        const log = memoryLog()
        return {
          join: (member, follower) =>
            log.join(member, {
              ...follower,
              onMessage(message) {
                follower.onMessage(message)
                if (message.seq % 7 === 0) follower.onMessage(message)
              },
            }),
        }
      },
    ],
    [
      'that mixes fleets',
      /fleets do not mix/,
      () => {
        const log = memoryLog()
        return { join: (member, follower) => log.join({ ...member, fleet: 'one' }, follower) }
      },
    ],
  ]

  test.each(plants)('%s', async (_what, sentence, make) => {
    expect(await broken((collect) => portContracts.eventLog(collect, make))).toContainEqual(
      expect.stringMatching(sentence),
    )
  })
})

describe('the contract of a letter store is broken by a store', () => {
  const plants: readonly [what: string, sentence: RegExp, change: (store: LetterStore) => Partial<LetterStore>][] = [
    ['that forgets what is gone', /gone for good/, ({ sweep }) => ({ remove: () => sweep(Infinity) })],
    [
      'that replaces whatever is there',
      /has the version that is given/,
      ({ get, replace }) => ({
        replace: async (letter) => replace(letter, (await get(letter.header.id))?.header.version ?? 0),
      }),
    ],
    [
      'that pages by creation alone',
      /of the same instant/,
      ({ page }) => ({
        async page(filter, options) {
          const { items, ...rest } = await page(filter, options)
          return { ...rest, items: items.filter((each, n) => each.header.createdAt !== items[n - 1]?.header.createdAt) }
        },
      }),
    ],
    ['that sweeps the last instant, too', /keeps the rest/, ({ sweep }) => ({ sweep: (before) => sweep(before + 1) })],
    [
      'that feeds whoever comes',
      /once for each cursor/,
      ({ jobs }) => ({
        jobs: {
          ...jobs,
          feed: async (id, _cursor, ids, next) => jobs.feed(id, (await jobs.get(id))?.cursor, ids, next),
        },
      }),
    ],
    [
      'that lets a stale worker complete a letter',
      /settles and renews nothing/,
      ({ jobs, remove }) => ({
        jobs: {
          ...jobs,
          async settle(id, turn, outcome, next) {
            const answer = await jobs.settle(id, turn, outcome, next)
            if (answer === 'lost') await remove(['acme.a'])
            return answer
          },
        },
      }),
    ],
    [
      'that has no leases',
      /the letter is taken by the next/,
      ({ jobs }) => ({ jobs: { ...jobs, take: (id, how) => jobs.take(id, { ...how, leaseMs: 1e9 }) } }),
    ],
    [
      'that overwrites an edit',
      /has changed meanwhile/,
      ({ jobs, get }) => ({
        jobs: {
          ...jobs,
          async settle(id, turn, outcome, next) {
            const { header } = (next && (await get(next.header.id))) ?? {}
            return jobs.settle(
              id,
              turn,
              outcome,
              next && header && { ...next, header: { ...next.header, version: header.version + 1 } },
            )
          },
        },
      }),
    ],
    [
      'that counts no slots',
      /gives each letter its slot/,
      ({ jobs }) => ({
        jobs: {
          ...jobs,
          async take(id, how) {
            const taken = await jobs.take(id, how)
            return taken && { ...taken, work: taken.work.map((work) => ({ ...work, dueInMs: 0 })) }
          },
        },
      }),
    ],
    ['that never pauses', /is paused nobody takes/, ({ jobs }) => ({ jobs: { ...jobs, pause: async () => {} } })],
  ]

  test.each(plants)('%s', async (_what, sentence, change) => {
    const make = (): LetterStore => {
      const store = memoryLetters()
      return { ...store, ...change(store) }
    }
    expect(await broken((collect) => portContracts.letterStore(collect, make))).toContainEqual(
      expect.stringMatching(sentence),
    )
  })
})

describe('the contract of dead letters is broken by a store', () => {
  const plants: readonly [what: string, sentence: RegExp, change: (queue: DeadLetters) => Partial<DeadLetters>][] = [
    [
      'that gives null for what is not there',
      /is undefined, not an error/,
      ({ get }) => ({ get: async (id) => (await get(id)) ?? (null as never) }),
    ],
    [
      'that stores the same id twice',
      /idempotent by id/,
      ({ enqueue }) => ({ enqueue: (draft) => enqueue({ ...draft, id: undefined }) }),
    ],
    [
      'that lists oldest first',
      /newest first/,
      ({ list }) => ({
        list: async (filter, paging) => {
          const page = await list(filter, paging)
          return { ...page, items: page.items.map((letter, i) => ({ ...letter, createdAt: letter.createdAt + i })) }
        },
      }),
    ],
    [
      'that counts what it does not list',
      /counts and pages agree/,
      ({ count }) => ({ count: async (filter) => count({ ...filter, channel: undefined } as object) }),
    ],
    [
      'that leaves out the last instant',
      /inclusive/,
      ({ count }) => ({ count: (filter = {}) => count({ ...filter, until: (filter.until ?? 1e15) - 1 }) }),
    ],
    [
      'that loses a letter at the end of each page',
      /hold every letter once/,
      ({ list }) => ({
        list: async (filter, paging) => {
          const page = await list(filter, paging)
          return page.next === undefined ? page : { ...page, items: page.items.slice(0, -1) }
        },
      }),
    ],
    ['that edits what has moved on', /of racing ones/, ({ edit }) => ({ edit: (id, change) => edit(id, change) })],
    ['that removes in a dry run', /a dry run says how many/, ({ purge }) => ({ purge: (letters) => purge(letters) })],
    [
      'that counts redrives of nobody',
      /what fails stays, counted/,
      ({ redrive }) => ({ redrive: (letters, how) => redrive(letters, { ...how, maxRedrives: 9 }) }),
    ],
    [
      'that shares what it keeps',
      /does not reach the store/,
      ({ get }) => {
        const kept = new Map<string, ReturnType<typeof get>>()
        return {
          get: (id) => kept.get(id) ?? get(id),
          enqueue: async (draft) => {
            const letter = { id: `acme.${draft.id}`, ...draft } as never
            kept.set(`acme.${draft.id}`, Promise.resolve(letter))
            return letter
          },
        }
      },
    ],
  ]

  test.each(plants)('%s', async (_what, sentence, change) => {
    const make = (bounds: object): DeadLetters => {
      const queue = memoryDeadLetters(bounds)
      return { ...queue, ...change(queue) }
    }
    expect(await broken((collect) => portContracts.deadLetters(collect, make))).toContainEqual(
      expect.stringMatching(sentence),
    )
  })

  test('without the bounds that were asked for', async () => {
    const sentences = await broken((collect) => portContracts.deadLetters(collect, () => memoryDeadLetters()))
    expect(sentences).toHaveLength(4)
  })
})
