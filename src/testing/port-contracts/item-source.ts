import { strict as assert } from 'node:assert'
import { classify } from '../../kernel/classify.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { ItemSource, OpenItems, TakenItem } from '../../ports/item-source.ts'
import { type Clause, eventually, type TestFunction } from './contract.ts'

/** What a source is to give in each test, in this order. */
const items: readonly string[] = Object.freeze(['a', 'b', 'c', 'd', 'e'])

/**
 * Tries the contract of the port `ItemSource` on an adapter: one test for each sentence. `make` gives a source that has
 * exactly the items that it is told of, and no other reader; each test opens it once, and closes it.
 * @example portContracts.itemSource(test, (items) => myRows(items))
 */
export function itemSourceContract(
  test: TestFunction,
  make: (items: readonly string[]) => ItemSource<string> | Promise<ItemSource<string>>,
): void {
  for (const { says, holds } of clauses) {
    test(`item source: ${says}`, async () => {
      const reader = read(await make(items))
      try {
        await holds(reader)
      } finally {
        reader.open.close()
        await Promise.all(reader.taken.map(async ({ settle }) => settle(closing)))
      }
    })
  }
}

interface Reader {
  readonly open: OpenItems
  readonly taken: readonly TakenItem<string>[]
  readonly ends: readonly unknown[]
  /** Waits for so many in all. */
  has(count: number): Promise<void>
}

function read(source: ItemSource<string>): Reader {
  const taken: TakenItem<string>[] = []
  const ends: unknown[] = []
  const open = source.open({ item: (one) => void taken.push(one), end: (error) => void ends.push(error) })
  return { open, taken, ends, has: (count) => eventually(() => taken.length >= count, `${count} items`) }
}

const closing: Outcome<never> = { status: 'refused', reason: 'closing' }
const tally = { attempts: 1, durationMs: 1 }
const error = classify(Object.assign(new Error('answered 404'), { status: 404 }))
const delivered: Outcome<undefined> = { status: 'delivered', value: undefined, ...tally }
const outcomes: readonly Outcome<unknown>[] = [
  delivered,
  { status: 'deadLettered', letterId: 'letter', error, ...tally },
  { status: 'failed', error, ...tally },
  { status: 'refused', reason: 'rateLimited', retryAfterMs: 60_000 },
  { status: 'refused', reason: 'aborted' },
]

/** When this has happened, what should not come would have. */
async function later({ taken }: Reader): Promise<void> {
  await taken.at(-1)?.settle(delivered)
  await new Promise((resolve) => setImmediate(resolve))
}

const given = ({ taken }: Reader): readonly string[] => taken.map(({ item }) => item)

const clauses: readonly Clause<Reader>[] = [
  {
    says: 'gives nothing before it is asked, and nothing from within `request`',
    async holds(reader) {
      await later(reader)
      assert.deepEqual(given(reader), [])
      reader.open.request(2)
      assert.deepEqual(given(reader), [])
      await reader.has(2)
      await later(reader)
      assert.equal(reader.taken.length, 2)
    },
  },
  {
    says: 'gives no more than was asked for, and adds what is asked to what was',
    async holds(reader) {
      reader.open.request(1)
      reader.open.request(2)
      await reader.has(3)
      await later(reader)
      assert.equal(reader.taken.length, 3)
      reader.open.request(1)
      await reader.has(4)
      await later(reader)
      assert.equal(reader.taken.length, 4)
    },
  },
  {
    says: 'gives each of its items once, in their order',
    async holds(reader) {
      reader.open.request(items.length)
      await reader.has(items.length)
      await later(reader)
      assert.deepEqual(given(reader), items)
    },
  },
  {
    says: 'is told of an outcome of any kind, and again, and never rejects',
    async holds(reader) {
      reader.open.request(items.length)
      await reader.has(items.length)
      await Promise.all(reader.taken.map(async ({ settle }, n) => settle(outcomes[n] ?? closing)))
      await Promise.all(reader.taken.map(async ({ settle }) => settle(closing)))
    },
  },
  {
    says: 'gives nothing, and says nothing, once it was closed, which may be done twice',
    async holds(reader) {
      reader.open.request(1)
      await reader.has(1)
      reader.open.request(2)
      reader.open.close()
      reader.open.close()
      reader.open.request(1)
      await later(reader)
      assert.equal(reader.taken.length, 1)
      assert.deepEqual(reader.ends, [])
    },
  },
  {
    says: 'hears of what it gave also when it was closed',
    async holds(reader) {
      reader.open.request(2)
      await reader.has(2)
      reader.open.close()
      await Promise.all(reader.taken.map(async ({ settle }) => settle(closing)))
    },
  },
]
