import type { ErrorType } from '../../kernel/classify.ts'
import type { Letter, LetterFilter, LetterStatsRow, Page } from '../../ports/dead-letters.ts'
import type { LetterPage, LetterStore } from '../../ports/letter-store.ts'
import { type LetterParts, readLetter } from '../../ports/letter.ts'

/** Depth and age of the letters that a filter finds. */
export interface LetterStats {
  readonly total: number
  /** How many of them are parked. */
  readonly parked: number
  /** How many wait on a disk beside the store, of all letters, until it can be asked again. */
  readonly spilled: number
  /** How long ago the oldest of them was created, in ms; 0 when there are none. */
  readonly oldestAgeMs: number
  /** The same by organization, channel and error type; most letters first. */
  readonly rows: readonly {
    readonly organization: string
    readonly channel: string
    readonly errorType: ErrorType
    readonly count: number
    readonly oldestAgeMs: number
  }[]
}

/** All that a filter finds, part by part. */
export async function* everyPage(
  store: LetterStore,
  filter: LetterFilter,
  limit: number,
): AsyncGenerator<LetterPage['items']> {
  let cursor: string | undefined
  do {
    const page: LetterPage = await store.page(filter, { limit, cursor })
    yield page.items
    cursor = page.next
  } while (cursor !== undefined)
}

/** A full page, of however many parts, whose `next` is there only if something follows. */
export async function listLetters(
  store: LetterStore,
  filter: LetterFilter,
  limit: number,
  cursor: string | undefined,
): Promise<Page<Letter>> {
  const items: Letter[] = []
  let part: LetterPage
  let from = cursor
  do {
    part = await store.page(filter, { limit: limit - items.length, cursor: from })
    items.push(...part.items.map(readLetter))
    from = part.next
  } while (from !== undefined && items.length < limit)
  if (from === undefined) return { items }
  return part.more === true || (await hasAny(store, filter, from)) ? { items, next: from } : { items }
}

async function hasAny(store: LetterStore, filter: LetterFilter, from: string): Promise<boolean> {
  let cursor: string | undefined = from
  while (cursor !== undefined) {
    const page: LetterPage = await store.page(filter, { limit: 1, cursor })
    if (page.items.length > 0) return true
    cursor = page.next
  }
  return false
}

export async function countLetters(store: LetterStore, filter: LetterFilter): Promise<number> {
  let letters = 0
  let cursor: string | undefined
  do {
    const part = await store.count(filter, cursor)
    letters += part.count
    cursor = part.next
  } while (cursor !== undefined)
  return letters
}

export async function letterStats(store: LetterStore, filter: LetterFilter, now: number): Promise<LetterStats> {
  const rows = mergedRows()
  for await (const part of looksAtLetters(filter) ? rowsByLetter(store, filter) : everyRow(store, filter))
    for (const row of part) rows.add(row)
  const all = rows.all()
  const oldestAt = all.reduce((oldest, row) => Math.min(oldest, row.oldestAt), now)
  return {
    total: all.reduce((sum, { count }) => sum + count, 0),
    parked: all.reduce((sum, { parked }) => sum + parked, 0),
    spilled: store.spilled?.() ?? 0,
    oldestAgeMs: now - oldestAt,
    rows: all.map(({ organization, channel, errorType, count, oldestAt: at }) => {
      return { organization, channel, errorType, count, oldestAgeMs: Math.max(0, now - at) }
    }),
  }
}

/** Whether it asks for more than a store counts by. */
function looksAtLetters({ since, until, text, parked }: LetterFilter): boolean {
  return [since, until, text, parked].some((field) => field !== undefined)
}

/** The rows that a store has of its own. */
export async function* everyRow(
  store: LetterStore,
  { organization, channel, errorType }: LetterFilter,
): AsyncGenerator<readonly LetterStatsRow[]> {
  const filter = {
    ...(organization === undefined ? {} : { organization }),
    ...(channel === undefined ? {} : { channel }),
    ...(errorType === undefined ? {} : { errorType }),
  }
  let cursor: string | undefined
  do {
    const page: Page<LetterStatsRow> = await store.rows(filter, cursor)
    yield page.items
    cursor = page.next
  } while (cursor !== undefined)
}

async function* rowsByLetter(store: LetterStore, filter: LetterFilter): AsyncGenerator<readonly LetterStatsRow[]> {
  for await (const letters of everyPage(store, filter, 500)) yield letters.map(rowOf)
}

function rowOf({ header }: LetterParts): LetterStatsRow {
  const { organization, channel, errorType, parked, createdAt } = header
  return { organization, channel, errorType, count: 1, parked: parked ? 1 : 0, oldestAt: createdAt }
}

/** Rows of the same organization, channel and error type as one. */
function mergedRows(): { add(row: LetterStatsRow): void; all(): readonly LetterStatsRow[] } {
  const byKey = new Map<string, LetterStatsRow>()
  return {
    add(row) {
      if (row.count === 0) return
      const key = JSON.stringify([row.organization, row.channel, row.errorType])
      const before = byKey.get(key)
      byKey.set(key, before === undefined ? row : sum(before, row))
    },
    all: () => [...byKey.values()].toSorted((one, other) => other.count - one.count),
  }
}

function sum(one: LetterStatsRow, other: LetterStatsRow): LetterStatsRow {
  return {
    ...one,
    count: one.count + other.count,
    parked: one.parked + other.parked,
    oldestAt: Math.min(one.oldestAt, other.oldestAt),
  }
}
