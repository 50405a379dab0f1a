import { ulid } from 'ulid'
import { z } from 'zod'
import { ConfigError, OverCapacityError } from '../../kernel/errors.ts'
import { count, parseOptions, shown } from '../../kernel/options.ts'
import { type Clock, systemClock } from '../../ports/clock.ts'
import type { DeadLetters, Letter, LetterDraft, LetterFilter, Page } from '../../ports/dead-letters.ts'
import { checkLetterFilter, checkPageLimit, letterMatches } from '../../ports/letter-filter.ts'
import { type LetterParts, readLetter, writeLetter } from '../../ports/letter.ts'
import { type Random, systemRandom } from '../../ports/random.ts'

export interface MemoryDeadLettersOptions {
  /** Letters an organization may have; the next one is refused. Default 1,000,000. */
  readonly lettersMax?: number | undefined
  /** The largest payload, in bytes. Default 1,048,576. */
  readonly bodyBytesMax?: number | undefined
  /** What all letters together may take, in characters of JSON; the next one is refused. Default 268,435,456. */
  readonly charactersMax?: number | undefined
  /** Letters older than this are dropped. Above 0; default 30. */
  readonly retentionDays?: number | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

export const memoryDeadLettersDefaults: {
  readonly lettersMax: number
  readonly bodyBytesMax: number
  readonly charactersMax: number
  readonly retentionDays: number
} = Object.freeze({ lettersMax: 1_000_000, bodyBytesMax: 1_048_576, charactersMax: 268_435_456, retentionDays: 30 })

const schema: z.ZodType<MemoryDeadLettersOptions> = z.strictObject({
  lettersMax: count.optional(),
  bodyBytesMax: count.optional(),
  charactersMax: count.optional(),
  retentionDays: z.number().positive().optional(),
  clock: z.custom<Clock>((value) => typeof value === 'object' && value !== null, 'expected a clock').optional(),
  random: z
    .custom<Random>((value) => typeof value === 'object' && value !== null, 'expected a source of chance')
    .optional(),
})

/**
 * Dead letters in the memory of this process, gone with it: for tests, and for services that have no Redis. Expired
 * letters are dropped when the store is next used; it has no timers.
 * @throws ConfigError
 */
export function memoryDeadLetters(options: MemoryDeadLettersOptions = {}): DeadLetters {
  const given = parseOptions(schema, options, 'memoryDeadLetters')
  const { clock = systemClock, random = systemRandom } = given
  const lettersMax = given.lettersMax ?? memoryDeadLettersDefaults.lettersMax
  const bodyBytesMax = given.bodyBytesMax ?? memoryDeadLettersDefaults.bodyBytesMax
  const charactersMax = given.charactersMax ?? memoryDeadLettersDefaults.charactersMax
  const retentionMs = (given.retentionDays ?? memoryDeadLettersDefaults.retentionDays) * 86_400_000
  const shelf = newShelf()
  const newId = (): string => ulid(Math.max(0, Math.floor(clock.now())), () => random.next())

  const current = (): typeof shelf => {
    shelf.dropBefore(clock.now() - retentionMs)
    return shelf
  }

  const store = (draft: LetterDraft): Letter => {
    const parts = writeLetter(draft, { at: clock.now(), newId, bodyBytesMax })
    const letters = current()
    const existing = letters.get(parts.header.id)
    if (existing !== undefined) return readLetter(existing)
    const { organization } = parts.header
    if (letters.countOf(organization) >= lettersMax)
      throw new OverCapacityError(`dead letters of ${shown(organization)}`, 'lettersMax', lettersMax)
    if (letters.characters + size(parts) > charactersMax)
      throw new OverCapacityError('dead letters in memory', 'charactersMax', charactersMax)
    letters.add(parts)
    return readLetter(parts)
  }

  const list = (filter: LetterFilter = {}, { limit, cursor }: Paging = {}): Page<Letter> => {
    const [checked, most] = [checkLetterFilter(filter), checkPageLimit(limit)]
    const found: Stored[] = []
    for (const stored of current().newestFirst(cursor === undefined ? Infinity : placeAt(cursor))) {
      if (!letterMatches(stored, checked)) continue
      const last = found.at(-1)
      if (last !== undefined && found.length === most)
        return { items: found.map(readLetter), next: cursorAt(last.place) }
      found.push(stored)
    }
    return { items: found.map(readLetter) }
  }

  const tally = (filter: LetterFilter = {}): number => {
    const checked = checkLetterFilter(filter)
    let letters = 0
    for (const stored of current().newestFirst(Infinity)) if (letterMatches(stored, checked)) letters += 1
    return letters
  }

  return {
    enqueue: async (draft) => store(draft),
    get: async (id) => {
      const found = current().get(id)
      return found && readLetter(found)
    },
    list: async (filter, paging) => list(filter, paging),
    count: async (filter) => tally(filter),
  }
}

type Paging = NonNullable<Parameters<DeadLetters['list']>[1]>

/** A letter, and its place in the order of arrival, which is the order of creation. */
interface Stored extends LetterParts {
  readonly place: number
}

/** The letters in the order in which they came. */
function newShelf() {
  const byId = new Map<string, Stored>()
  const byOrganization = new Map<string, number>()
  let inOrder: (Stored | undefined)[] = []
  let first = 0
  let places = 0
  let characters = 0

  const dropFirst = (stored: Stored): void => {
    const { id, organization } = stored.header
    byId.delete(id)
    characters -= size(stored)
    const rest = (byOrganization.get(organization) ?? 1) - 1
    if (rest > 0) byOrganization.set(organization, rest)
    else byOrganization.delete(organization)
    inOrder[first] = undefined
    first += 1
  }

  return {
    get characters() {
      return characters
    },
    get: (id: string) => byId.get(id),
    countOf: (organization: string) => byOrganization.get(organization) ?? 0,
    add(parts: LetterParts): void {
      const { id, organization } = parts.header
      const stored = { ...parts, place: (places += 1) }
      byId.set(id, stored)
      inOrder.push(stored)
      byOrganization.set(organization, (byOrganization.get(organization) ?? 0) + 1)
      characters += size(stored)
    },
    dropBefore(at: number): void {
      for (let stored = inOrder[first]; stored && stored.header.createdAt < at; stored = inOrder[first])
        dropFirst(stored)
      if (first > 1_000 && first > inOrder.length / 2) {
        inOrder = inOrder.slice(first)
        first = 0
      }
    },
    *newestFirst(before: number): Generator<Stored> {
      for (let index = inOrder.length - 1; index >= first; index -= 1) {
        const stored = inOrder[index]
        if (stored !== undefined && stored.place < before) yield stored
      }
    },
  }
}

/** About what a letter takes. */
function size({ header, body }: LetterParts): number {
  return (
    body.length + header.error.message.length + (header.error.stack?.length ?? 0) + 500 + header.attempts.length * 50
  )
}

function cursorAt(place: number): string {
  return `m${place.toString(36)}`
}

function placeAt(cursor: unknown): number {
  if (typeof cursor === 'string' && /^m[0-9a-z]{1,10}$/.test(cursor)) return Number.parseInt(cursor.slice(1), 36)
  throw new ConfigError('cursor', `expected what a page gave as its next (given: ${shown(cursor)})`)
}
