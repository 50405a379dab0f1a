import { strict as assert } from 'node:assert'
import type { LetterFilter } from '../../ports/dead-letters.ts'
import type { LetterStore } from '../../ports/letter-store.ts'
import type { LetterParts } from '../../ports/letter.ts'
import { bounds, letter, type LetterStoreClause, nextOf } from './letter-store-clause.ts'

/** What the port says of keeping letters. */
export const letterClauses: readonly LetterStoreClause[] = [
  {
    says: 'what is added is new, or there, or gone for good; it is given back as it was handed in',
    async holds(store) {
      const edits = [{ at: 1, version: 1, channel: 'sms', body: '{"__proto__":"\\u0000ü🚀"}' }]
      const first = letter('one', { edits, createdAt: 1_700_000_000_000.25 })
      assert.deepEqual(await store.add(first, bounds), { status: 'added', letter: first })
      assert.deepEqual(await store.get('acme.one'), first)
      assert.deepEqual(await store.add(letter('one', { channel: 'slack' }), bounds), {
        status: 'present',
        letter: first,
      })
      assert.equal(await store.remove(['acme.one', 'acme.none', 'x']), 1)
      assert.equal(await store.remove(['acme.one']), 0)
      assert.deepEqual(await store.add(first, bounds), { status: 'gone' })
      assert.equal(await store.get('acme.one'), undefined)
    },
  },
  {
    says: 'a letter is replaced if it has the version that is given, and filters see the new one',
    async holds(store) {
      const first = letter('one')
      assert.equal(await store.replace(nextOf(first), 1), false)
      await store.add(first, bounds)
      const next = nextOf(first, { channel: 'slack', errorType: 'timeout', parked: true })
      assert.equal(await store.replace(next, 2), false)
      assert.equal(await store.replace(next, 1), true)
      assert.equal(await store.replace(next, 1), false)
      assert.deepEqual(await store.get('acme.one'), next)
      const filters: readonly (readonly [LetterFilter, number])[] = [
        [{ channel: 'email' }, 0],
        [{ channel: 'slack' }, 1],
        [{ errorType: 'unknown' }, 0],
        [{ errorType: 'timeout', channel: 'slack', organization: 'acme' }, 1],
        [{ parked: false }, 0],
        [{ parked: true, channel: 'slack' }, 1],
      ]
      for (const [filter, count] of filters) {
        assert.equal(await countAll(store, filter), count, JSON.stringify(filter))
        assert.equal((await pageAll(store, filter, 10, false)).length, count, JSON.stringify(filter))
      }
    },
  },
  {
    says: 'letters of the same instant, and those that come late, are all listed once, in both directions',
    async holds(store) {
      const at = 1_700_000_000_000
      const instants = [5, 1, 3, 3, 3, 3, 3, 2, 9, 3, 0, 3, 4]
      for (const [n, instant] of instants.entries())
        await store.add(letter(`n${n}`, { createdAt: at + instant }), bounds)
      const sorted = instants.map((instant) => at + instant).toSorted((one, other) => one - other)
      for (const filter of [{}, { organization: 'acme' }, { channel: 'email', errorType: 'unknown' }] as const) {
        for (const limit of [1, 2, 3, 5, 100]) {
          const forwards = await pageAll(store, filter, limit, true)
          assert.deepEqual(createdAts(forwards), sorted)
          const backwards = await pageAll(store, filter, limit, false)
          assert.deepEqual(createdAts(backwards), sorted.toReversed())
          for (const all of [forwards, backwards]) assert.equal(new Set(idsOf(all)).size, instants.length)
        }
      }
    },
  },
  {
    says: 'a sweep drops what was created before an instant, a part at a time, and keeps the rest',
    async holds(store) {
      for (let n = 0; n < 30; n++) await store.add(letter(`n${n}`, { createdAt: 1_000 + n }), bounds)
      const dropped = await sweepAll(store, 1_020)
      assert.equal(dropped, 20)
      assert.deepEqual(
        createdAts(await pageAll(store, {}, 100, true)),
        [...Array(10).keys()].map((n) => 1_020 + n),
      )
      assert.equal(await countAll(store, {}), 10)
      assert.equal(await store.get('acme.n19'), undefined)
    },
  },
]

async function pageAll(
  store: LetterStore,
  filter: LetterFilter,
  limit: number,
  oldestFirst: boolean,
): Promise<readonly LetterParts[]> {
  const all: LetterParts[] = []
  let cursor: string | undefined
  do {
    const page = await store.page(filter, { limit, cursor, oldestFirst })
    assert.ok(page.items.length <= limit)
    if (page.more === true) assert.notEqual(page.next, undefined)
    all.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  return all
}

async function countAll(store: LetterStore, filter: LetterFilter): Promise<number> {
  let [letters, cursor]: [number, string | undefined] = [0, undefined]
  do {
    const part: { count: number; next?: string } = await store.count(filter, cursor)
    letters += part.count
    cursor = part.next
  } while (cursor !== undefined)
  return letters
}

async function sweepAll(store: LetterStore, before: number): Promise<number> {
  let [dropped, letters] = [0, 0]
  do {
    letters = await store.sweep(before)
    dropped += letters
  } while (letters > 0)
  return dropped
}

function createdAts(letters: readonly LetterParts[]): readonly number[] {
  return letters.map(({ header }) => header.createdAt)
}

function idsOf(letters: readonly LetterParts[]): readonly string[] {
  return letters.map(({ header }) => header.id)
}
