import { describe, expect, test } from 'vitest'
import { memoryLetters, memoryLettersDefaults } from '../../../src/adapters/memory/letters.ts'
import { ConfigError } from '../../../src/kernel/errors.ts'
import type { LetterParts } from '../../../src/ports/letter.ts'
import { bounds, idsOf, letter, nextOf } from '../../../src/testing/port-contracts/letter-store-clause.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

const dayMs = 86_400_000
const sample = letter('sample')
const at = (createdAt: number, id = `n${createdAt}`, more: Partial<LetterParts['header']> = {}): LetterParts => ({
  header: { ...sample.header, id: `acme.${id}`, createdAt, ...more },
  body: sample.body,
})

async function storeOf(letters: readonly LetterParts[]) {
  const store = memoryLetters({ clock: virtualClock() })
  for (const each of letters) await store.add(each, bounds)
  return store
}

describe('the room for letters in memory', () => {
  const long = 'x'.repeat(10_000)
  const sized = (id: string, body = long): LetterParts => ({ ...letter(id), body })
  const roomIsUsed = { bound: 'charactersMax', message: expect.stringMatching(/^dead letters in memory: /) as unknown }

  test('is 268,435,456 characters unless told otherwise', () => {
    expect(memoryLettersDefaults).toEqual({ charactersMax: 268_435_456 })
  })

  test('is what all letters take, and is free again when they go', async () => {
    const store = memoryLetters({ charactersMax: 25_000, clock: virtualClock() })
    for (const id of ['a', 'b']) await store.add(sized(id), bounds)
    const refusal: unknown = await store.add(sized('c'), bounds).catch((error: unknown) => error)
    expect(refusal).toHaveProperty('bound', 'charactersMax')
    expect(refusal).toHaveProperty('max', 25_000)
    expect(refusal).toHaveProperty('message', roomIsUsed.message)
    await store.remove(['acme.a'])
    expect(await store.add(sized('c'), bounds)).toMatchObject({ status: 'added' })
    expect(await store.sweep(Infinity)).toBe(2)
    for (const id of ['d', 'e']) await store.add(sized(id), bounds)
    await expect(store.add(sized('f'), bounds)).rejects.toHaveProperty('bound', 'charactersMax')
  })

  test('is needed by what a letter becomes, and never for one that shrinks', async () => {
    let charactersMax = 25_000
    const store = memoryLetters({ charactersMax: () => charactersMax, clock: virtualClock() })
    const first = sized('a')
    await store.add(first, bounds)
    await expect(store.replace({ ...nextOf(first), body: long.repeat(3) }, 1)).rejects.toHaveProperty(
      'bound',
      'charactersMax',
    )
    expect(await store.replace({ ...nextOf(first), body: long.repeat(3) }, 7)).toBe(false)
    const edits = [{ at: 1, version: 1, channel: 'sms', body: long.repeat(2) }]
    await expect(store.replace(nextOf(first, { edits }), 1)).rejects.toHaveProperty('bound', 'charactersMax')
    charactersMax = 1
    expect(await store.replace({ ...nextOf(first), body: '{}' }, 1)).toBe(true)
    charactersMax = 15_000
    expect(await store.add(sized('b'), bounds)).toMatchObject({ status: 'added' })
  })

  test('is bounded for an organization by how many, others beside it', async () => {
    const store = memoryLetters({ clock: virtualClock() })
    const one = { lettersMax: 1 }
    await store.add(letter('a'), one)
    const refusal: unknown = await store.add(letter('b'), one).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ bound: 'lettersMax', max: 1 })
    expect(refusal).toHaveProperty('message', expect.stringContaining('dead letters of "acme"') as unknown)
    expect(await store.add(letter('a'), one)).toMatchObject({ status: 'present' })
    await store.add(letter('c', { id: 'globex.c', organization: 'globex' }), one)
    await store.remove(['acme.a'])
    expect(await store.add(letter('b'), one)).toMatchObject({ status: 'added' })
  })
})

describe('a listing in memory', () => {
  test('says of each page whether there is more, and where it goes on', async () => {
    const store = await storeOf([1, 2, 3, 4].map((createdAt) => at(createdAt)))
    const first = await store.page({}, { limit: 2 })
    expect([idsOf(first.items.map(asWork)), first.more]).toEqual([['acme.n4', 'acme.n3'], true])
    const second = await store.page({}, { limit: 2, cursor: first.next })
    expect([idsOf(second.items.map(asWork)), 'next' in second, 'more' in second]).toEqual([
      ['acme.n2', 'acme.n1'],
      false,
      false,
    ])
    const forwards = await store.page({}, { limit: 3, oldestFirst: true })
    const rest = await store.page({}, { limit: 3, oldestFirst: true, cursor: forwards.next })
    expect([forwards.items.length, idsOf(rest.items.map(asWork))]).toEqual([3, ['acme.n4']])
  })

  test.each(['', 'x', '1', '1_', '_1', '1_1.5', '1_2_3', ' 1_1', 5, null])('does not go on from %j', async (cursor) => {
    const page = memoryLetters().page({}, { limit: 1, cursor: cursor as never })
    await expect(page).rejects.toThrow(ConfigError)
    await expect(page).rejects.toHaveProperty('path', 'cursor')
  })

  test('looks at 10,000 letters at a time, and so do counts and rows', async () => {
    const letters = Array.from({ length: 10_001 }, (_, n) => at(n, undefined, { channel: n === 0 ? 'sms' : 'email' }))
    const store = await storeOf(letters)
    const page = await store.page({ channel: 'sms' }, { limit: 5 })
    expect([page.items, page.next, page.more]).toEqual([[], '1_2', undefined])
    expect((await store.page({ channel: 'sms' }, { limit: 5, cursor: page.next })).items).toHaveLength(1)
    const counted = await store.count({})
    expect(counted).toEqual({ count: 10_000, next: '9999_10000' })
    expect(await store.count({}, counted.next)).toEqual({ count: 1 })
    const rows = await store.rows({})
    expect(rows.items.map(({ channel, count }) => [channel, count])).toEqual([
      ['sms', 1],
      ['email', 9_999],
    ])
    expect((await store.rows({}, rows.next)).items).toMatchObject([{ channel: 'email', count: 1, oldestAt: 10_000 }])
    expect(await store.sweep(5_000)).toBe(1_000)
    expect(await store.sweep(1_500)).toBe(500)
    expect(await store.sweep(1_500)).toBe(0)
    const before = await store.page({}, { limit: 3 })
    await store.remove(letters.slice(1_500, 9_990).map(({ header }) => header.id))
    expect(
      (await store.page({}, { limit: 100, cursor: before.next })).items.map(({ header }) => header.createdAt),
    ).toEqual([9_997, 9_996, 9_995, 9_994, 9_993, 9_992, 9_991, 9_990])
    expect(await store.count({})).toEqual({ count: 11 })
  })

  test('has rows by organization, channel and type, the parked ones counted and the oldest dated', async () => {
    const store = await storeOf([
      at(5, 'a', { parked: true }),
      at(3, 'b'),
      at(4, 'c', { errorType: 'timeout' }),
      at(1, 'd', { channel: 'sms' }),
    ])
    const row = { organization: 'acme', channel: 'email', errorType: 'unknown' }
    expect((await store.rows({})).items).toEqual([
      { ...row, channel: 'sms', count: 1, parked: 0, oldestAt: 1 },
      { ...row, count: 2, parked: 1, oldestAt: 3 },
      { ...row, errorType: 'timeout', count: 1, parked: 0, oldestAt: 4 },
    ])
    expect((await store.rows({ channel: 'sms' })).items).toHaveLength(1)
  })
})

describe('a letter that went', () => {
  test('is gone for a day, and then new; one that was swept is new at once', async () => {
    const clock = virtualClock()
    const store = memoryLetters({ clock })
    await store.add(at(1, 'a'), bounds)
    await store.remove(['acme.a'])
    await clock.advanceBy(dayMs - 1)
    expect(await store.add(at(1, 'a'), bounds)).toEqual({ status: 'gone' })
    await clock.advanceBy(1)
    expect(await store.add(at(1, 'a'), bounds)).toMatchObject({ status: 'added' })
    expect(await store.sweep(1)).toBe(0)
    expect(await store.sweep(2)).toBe(1)
    expect(await store.add(at(1, 'a'), bounds)).toMatchObject({ status: 'added' })
  })

  test('is written down with when it went, a thousand at a time, and so is the place of those that stay', async () => {
    const clock = virtualClock()
    const store = memoryLetters({ clock })
    for (let n = 0; n < 1_003; n += 1) await store.add(at(7, `n${n}`), bounds)
    await store.remove(Array.from({ length: 1_001 }, (_, n) => `acme.n${n}`))
    const parts = structuredClone(store.snapshot())
    const sizes = parts.map((part) => ('letter' in part ? part.arrival : Object.values(part.other).flat(1).length))
    expect(sizes).toEqual([1_002, 1_003, 1_000, 1])
    const again = memoryLetters({ clock })
    for (const part of parts) again.restore(part)
    await again.add(at(7, 'later'), bounds)
    const { items } = await again.page({}, { limit: 10 })
    expect(idsOf(items.map(asWork))).toEqual(['acme.later', 'acme.n1002', 'acme.n1001'])
    await clock.advanceBy(dayMs - 1)
    expect(await again.add(at(7, 'n1000'), bounds)).toEqual({ status: 'gone' })
    await clock.advanceBy(1)
    expect(await again.add(at(7, 'n1000'), bounds)).toMatchObject({ status: 'added' })
  })
})

const asWork = (parts: LetterParts) => ({ turn: '', letter: parts, dueInMs: 0 })
