import { ConfigError, OverCapacityError } from '../../kernel/errors.ts'
import { shown } from '../../kernel/options.ts'
import { type Clock, systemClock } from '../../ports/clock.ts'
import type { LetterFilter, LetterStatsRow } from '../../ports/dead-letters.ts'
import { letterMatches } from '../../ports/letter-filter.ts'
import type { LetterPage, LetterSnapshot, RestorableLetters } from '../../ports/letter-store.ts'
import type { LetterParts } from '../../ports/letter.ts'
import { type GoneLetters, goneLetters } from './gone-letters.ts'
import { type LetterShelf, letterShelf, type Place, type Shelved, sizeOf } from './letter-shelf.ts'
import { memoryRedriveJobs, type RestorableRedriveJobs, type StoredJob } from './redrive-jobs.ts'

export interface MemoryLettersOptions {
  /** What all letters together may take, in characters of JSON, or what says so. Default 268,435,456. */
  readonly charactersMax?: number | (() => number) | undefined
  readonly clock?: Clock | undefined
}

export const memoryLettersDefaults: { readonly charactersMax: number } = Object.freeze({ charactersMax: 268_435_456 })

/** Letters that one step looks at, and drops, at most. */
const looksMax = 10_000
const dropsMax = 1_000

/** Letters in the memory of this process, gone with it. */
export function memoryLetters(options: MemoryLettersOptions = {}): RestorableLetters {
  const { clock = systemClock } = options
  const given = options.charactersMax ?? memoryLettersDefaults.charactersMax
  const shelf = letterShelf()
  const gone = goneLetters(clock)

  const checkRoom = (characters: number): void => {
    const charactersMax = typeof given === 'number' ? given : given()
    if (characters > 0 && shelf.characters + characters > charactersMax)
      throw new OverCapacityError('dead letters in memory', 'charactersMax', charactersMax)
  }

  const remove = (id: string): boolean => {
    const was = shelf.takeOff(id)
    if (was) gone.add(id)
    return was
  }

  const replace = (letter: LetterParts, version: number): boolean => {
    if (shelf.get(letter.header.id)?.header.version !== version) return false
    shelf.replace(letter)
    return true
  }

  const jobs = memoryRedriveJobs({ get: shelf.get, replace, remove }, clock)

  return {
    async add(letter, { lettersMax }) {
      const { id, organization } = letter.header
      const existing = shelf.get(id)
      if (existing !== undefined) return { status: 'present', letter: existing }
      if (gone.has(id)) return { status: 'gone' }
      if (shelf.countOf(organization) >= lettersMax)
        throw new OverCapacityError(`dead letters of ${shown(organization)}`, 'lettersMax', lettersMax)
      checkRoom(sizeOf(letter))
      shelf.add(letter)
      return { status: 'added', letter }
    },
    get: async (id) => shelf.get(id),
    async page(filter, { limit, cursor, oldestFirst = false }) {
      const from = cursor === undefined ? undefined : placeAt(cursor)
      return pageOf(oldestFirst ? shelf.forwards(from) : shelf.backwards(from), filter, limit)
    },
    async count(filter, cursor) {
      const part = step(shelf.forwards(cursor === undefined ? undefined : placeAt(cursor)))
      const count = part.letters.filter((letter) => letterMatches(letter, filter)).length
      return { count, ...nextOf(part) }
    },
    async rows(filter, cursor) {
      const part = step(shelf.forwards(cursor === undefined ? undefined : placeAt(cursor)))
      return { items: rowsOf(part.letters.filter((letter) => letterMatches(letter, filter))), ...nextOf(part) }
    },
    async replace(letter, version) {
      const before = shelf.get(letter.header.id)
      if (before?.header.version === version) checkRoom(sizeOf(letter) - sizeOf(before))
      return replace(letter, version)
    },
    remove: async (ids) => ids.filter(remove).length,
    async sweep(before) {
      const old: string[] = []
      for (const { parts, createdAt } of shelf.forwards(undefined)) {
        if (createdAt >= before || old.length === dropsMax) break
        if (parts !== undefined) old.push(parts.header.id)
      }
      for (const id of old) shelf.takeOff(id)
      return old.length
    },
    jobs,
    snapshot: () => snapshotOf(shelf, gone, jobs),
    restore(part) {
      if ('letter' in part) shelf.add(part.letter, part.arrival)
      else restoreOther(part.other, gone, jobs)
    },
  }
}

/** Ids of letters that are gone, in one part of a snapshot. */
const goneTogether = 1_000

function snapshotOf(shelf: LetterShelf, gone: GoneLetters, jobs: RestorableRedriveJobs): readonly LetterSnapshot[] {
  const parts: LetterSnapshot[] = []
  for (const { parts: letter, arrival } of shelf.forwards(undefined))
    if (letter !== undefined) parts.push({ letter, arrival })
  const ids = gone.snapshot()
  for (let at = 0; at < ids.length; at += goneTogether)
    parts.push({ other: { gone: ids.slice(at, at + goneTogether) } })
  for (const job of jobs.snapshot()) parts.push({ other: { job } })
  return parts
}

function restoreOther(
  { gone: ids, job }: { readonly gone?: unknown; readonly job?: unknown },
  gone: GoneLetters,
  jobs: RestorableRedriveJobs,
): void {
  if (ids !== undefined) gone.restore(ids as ReturnType<GoneLetters['snapshot']>)
  if (job !== undefined) jobs.restore(job as StoredJob)
}

function pageOf(shelved: Iterable<Shelved>, filter: LetterFilter, limit: number): LetterPage {
  const items: LetterParts[] = []
  let end: Place | undefined
  let looks = 0
  for (const place of shelved) {
    const { parts } = place
    const fits = parts !== undefined && letterMatches(parts, filter)
    if (end !== undefined && items.length === limit && fits) return { items, next: cursorAt(end), more: true }
    if (end !== undefined && looks === looksMax) return { items, next: cursorAt(end) }
    looks += 1
    if (fits) items.push(parts)
    if (fits || items.length < limit) end = place
  }
  return { items }
}

/** What one step looks at, and where the next goes on. */
function step(shelved: Iterable<Shelved>): { readonly letters: readonly LetterParts[]; readonly last?: Place } {
  const letters: LetterParts[] = []
  let last: Place | undefined
  let looks = 0
  for (const place of shelved) {
    if (last !== undefined && looks === looksMax) return { letters, last }
    looks += 1
    last = place
    if (place.parts !== undefined) letters.push(place.parts)
  }
  return { letters }
}

function nextOf({ last }: { readonly last?: Place }): { readonly next?: string } {
  return last === undefined ? {} : { next: cursorAt(last) }
}

function rowsOf(letters: readonly LetterParts[]): readonly LetterStatsRow[] {
  const rows = new Map<string, LetterStatsRow>()
  for (const { header } of letters) {
    const { organization, channel, errorType, createdAt } = header
    const key = JSON.stringify([organization, channel, errorType])
    const row = rows.get(key) ?? { organization, channel, errorType, count: 0, parked: 0, oldestAt: createdAt }
    rows.set(key, { ...row, count: row.count + 1, parked: row.parked + (header.parked ? 1 : 0) })
  }
  return [...rows.values()]
}

function cursorAt({ createdAt, arrival }: Place): string {
  return `${createdAt}_${arrival}`
}

function placeAt(cursor: unknown): Place {
  const [createdAt = '', arrival = ''] = typeof cursor === 'string' ? cursor.split('_') : []
  const place = { createdAt: Number(createdAt), arrival: Number(arrival) }
  if (createdAt !== '' && cursorAt(place) === cursor && Number.isInteger(place.arrival)) return place
  throw new ConfigError('cursor', `expected what a page gave as its next (given: ${shown(cursor)})`)
}
