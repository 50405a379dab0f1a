import { strict as assert } from 'node:assert'
import { ConfigError } from '../../kernel/errors.ts'
import type { Letter, LetterFilter } from '../../ports/dead-letters.ts'
import type { DeadLetters } from '../../streams/dead-letters/dead-letter-queue.ts'
import { rejectionOf } from './contract.ts'
import { type DeadLettersClause, draft } from './dead-letters-clause.ts'

/** What the port says of listing and counting. */
export const listClauses: readonly DeadLettersClause[] = [
  {
    says: 'a listing is newest first, in pages that hold every letter once, and the last page has no next',
    async holds(queue) {
      const letters = await enqueueAll(queue, 12)
      for (const limit of [1, 3, 4, 5, 11, 12, 13, 1_000]) {
        const pages = await pagesOf(queue, {}, limit)
        assert.equal(pages.length, Math.ceil(letters.length / limit))
        assertNewestFirst(pages.flat())
        assert.deepEqual(idsOf(pages.flat()), idsOf(letters))
      }
    },
  },
  {
    says: 'writes between the pages of a listing neither hide a letter that was there nor show one twice',
    async holds(queue) {
      const letters = await enqueueAll(queue, 12)
      const pages = await pagesOf(queue, {}, 5, () => enqueueAll(queue, 3))
      const listed = pages.flat().map(({ id }) => id)
      assert.equal(new Set(listed).size, listed.length)
      for (const { id } of letters) assert.ok(listed.includes(id), `${id} is missing`)
    },
  },
  {
    says: 'a filter passes what everything in it holds for; counts and pages agree with it',
    async holds(queue) {
      const letters = await enqueueAll(queue, 24)
      const middle = letters[11]?.createdAt ?? 0
      const filters = combinations({
        organization: [undefined, 'acme', 'beta', 'nobody'],
        channel: [undefined, 'email'],
        errorType: [undefined, 'timeout', 'rejected'],
        since: [undefined, middle],
        until: [undefined, middle],
        text: [undefined, 'TOO LATE', 'typeerror', '%'],
        parked: [undefined, false, true],
      })
      for (const filter of filters) {
        const expected = letters.filter((letter) => passes(letter, filter))
        const pages = await pagesOf(queue, filter, 7)
        assertNewestFirst(pages.flat())
        assert.deepEqual(idsOf(pages.flat()), idsOf(expected), JSON.stringify(filter))
        assert.equal(await queue.count(filter), expected.length, JSON.stringify(filter))
      }
    },
  },
  {
    says: 'instants of a filter are inclusive',
    async holds(queue) {
      const { createdAt } = await queue.enqueue(draft('m'))
      assert.equal(await queue.count({ since: createdAt, until: createdAt }), 1)
      assert.equal(await queue.count({ since: createdAt + 1 }), 0)
      assert.equal(await queue.count({ until: createdAt - 1 }), 0)
    },
  },
  {
    says: 'filters, limits and cursors that cannot be meant are refused with the path of what is wrong',
    async holds(queue) {
      await enqueueAll(queue, 3)
      const badFilters: readonly [path: string, filter: object][] = [
        ['filter.organisation', { organisation: 'acme' }],
        ['filter.errorType', { errorType: 'bad' }],
        ['filter.since', { since: 'yesterday' }],
        ['filter.until', { until: Number.NaN }],
        ['filter.text', { text: 1 }],
        ['filter.parked', { parked: 'yes' }],
        ['filter.organization', { organization: 1 }],
      ]
      for (const [path, filter] of badFilters) {
        await assertConfigError(queue.list(filter), path)
        await assertConfigError(queue.count(filter), path)
      }
      for (const limit of [0, -1, 1.5, 1_001, Number.NaN]) await assertConfigError(queue.list({}, { limit }), 'limit')
      for (const cursor of ['', 'x', '-1', '💥']) await assertConfigError(queue.list({}, { cursor }), 'cursor')
    },
  },
]

/** Letters that differ in everything that can be filtered. */
async function enqueueAll(queue: DeadLetters, letters: number): Promise<Letter[]> {
  const errors = [
    new TypeError('bad argument'),
    Object.assign(new Error('came too late'), { code: 'ETIMEDOUT' }),
    Object.assign(new Error('gone, 100% sure'), { status: 410 }),
  ]
  const all: Letter[] = []
  for (let i = 0; i < letters; i++) {
    const [organization, channel] = [i % 2 === 0 ? 'acme' : 'beta', i % 4 < 2 ? 'email' : 'slack']
    all.push(await queue.enqueue({ ...draft(`m${i}`), organization, channel, error: errors[i % errors.length] }))
  }
  return all
}

async function pagesOf(queue: DeadLetters, filter: LetterFilter, limit: number, between?: () => Promise<unknown>) {
  const pages: (readonly Letter[])[] = []
  let page = await queue.list(filter, { limit })
  pages.push(page.items)
  while (page.next !== undefined) {
    assert.equal(page.items.length, limit)
    await between?.()
    page = await queue.list(filter, { limit, cursor: page.next })
    pages.push(page.items)
  }
  return pages
}

/** The filter's rule once more, in the plainest words. */
function passes(letter: Letter, filter: LetterFilter): boolean {
  const words = `${letter.error.name}\n${letter.error.message}`.toLowerCase()
  return (
    (filter.organization ?? letter.organization) === letter.organization &&
    (filter.channel ?? letter.channel) === letter.channel &&
    (filter.errorType ?? letter.errorType) === letter.errorType &&
    (filter.since ?? letter.createdAt) <= letter.createdAt &&
    (filter.until ?? letter.createdAt) >= letter.createdAt &&
    (filter.parked ?? letter.parked) === letter.parked &&
    words.includes((filter.text ?? '').toLowerCase())
  )
}

function combinations(fields: { readonly [K in keyof LetterFilter]-?: readonly (LetterFilter[K] | undefined)[] }) {
  let filters: object[] = [{}]
  for (const [key, values] of Object.entries(fields)) {
    filters = filters.flatMap((filter) =>
      values.map((value) => (value === undefined ? filter : { ...filter, [key]: value })),
    )
  }
  return filters as LetterFilter[]
}

function idsOf(letters: readonly Letter[]): readonly string[] {
  return letters.map(({ id }) => id).toSorted()
}

function assertNewestFirst(letters: readonly Letter[]): void {
  for (const [i, { createdAt }] of letters.entries()) assert.ok(createdAt <= (letters[i - 1]?.createdAt ?? Infinity))
}

async function assertConfigError(call: Promise<unknown>, path: string): Promise<void> {
  const refusal = await rejectionOf(call)
  assert.ok(refusal instanceof ConfigError, String(refusal))
  assert.equal(refusal.path, path)
}
