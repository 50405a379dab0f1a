import type { LetterFilter } from '../../ports/dead-letters.ts'
import { letterMatches } from '../../ports/letter-filter.ts'
import type { LetterPage, LetterStore } from '../../ports/letter-store.ts'
import type { LetterParts } from '../../ports/letter.ts'
import { type LetterAsking, listIn, textIn } from './letter-asking.ts'
import { allKey, cellsOf, letterKey } from './letter-keys.ts'
import type { LetterOrganizations } from './letter-organizations.ts'
import { cursorAt, inOrder, type Place, placeAt, placeIn } from './letter-place.ts'
import { pageScript } from './letter-scripts.ts'
import { inChunks, sideBySide } from './letter-side-by-side.ts'
import { readValue } from './letter-value.ts'

/** What questions about letters need. */
export interface LetterSources {
  readonly redis: LetterAsking
  readonly fleet: string
  readonly organizations: LetterOrganizations
}

export interface LetterPages {
  readonly page: LetterStore['page']
  /** Some letters that a filter may find, without their bodies, oldest first; its text is not looked at. */
  heads(
    filter: LetterFilter,
    cursor: string | undefined,
  ): Promise<{ readonly heads: readonly LetterParts[]; readonly next?: string }>
}

/** Letters that one script finds, letters that it looks at, and bytes that it reads, at most. */
const foundMax = 250
const looksMax = 500
const bytesMax = 4_194_304
/** Letters that are read by one command. */
const readMax = 32

interface Scan {
  readonly what: 'ids' | 'heads' | 'letters'
  readonly filter: LetterFilter
  readonly limit: number
  readonly place: Place | undefined
  readonly oldestFirst: boolean
}

/** A letter without its body where heads were read, and none where ids were. */
interface Entry extends Place {
  readonly letter?: LetterParts | undefined
}

/** A part of a listing: `last` is where it goes on, if it may; `more` if it does. */
interface Part {
  readonly entries: readonly Entry[]
  readonly last?: Place
  readonly more?: boolean
}

export function letterPages({ redis, fleet, organizations }: LetterSources): LetterPages {
  const scan = async (organization: string, of: Scan): Promise<Part> => {
    const { filter, limit, place, oldestFirst, what } = of
    const { since = '-inf', until = '+inf' } = filter
    const reply = await redis.script(
      pageScript,
      [allKey(fleet, organization)],
      [
        ...[Math.min(limit, foundMax), looksMax, bytesMax, oldestFirst ? 'old' : 'new'],
        ...[...placeIn(organization, place), since, until, what, ...cellsOf(filter)],
      ],
    )
    const found = listIn(reply)
    const entries: Entry[] = []
    for (let index = 3; index < found.length; index += 2) {
      const [id, value] = [textIn(found[index]), found[index + 1]]
      const letter = what === 'ids' ? undefined : readValue(organization, id, value)
      entries.push({
        at: letter === undefined ? textIn(value) : String(letter.header.createdAt),
        organization,
        id,
        letter,
      })
    }
    const [end, at, id] = [textIn(found[0]), textIn(found[1]), textIn(found[2])]
    if (end === 'end' || at === '') return { entries }
    return { entries, last: { at, organization, id }, more: end === 'more' }
  }

  /** Of all organizations side by side: what they gave counts up to the nearest place where one of them stopped. */
  const scanAll = async (of: Scan): Promise<Part> => {
    const names = await organizations.all()
    const each = Math.min(of.limit, Math.ceil((2 * of.limit) / Math.max(1, names.length)) + 2)
    const parts = await sideBySide(names, (name) => scan(name, { ...of, limit: each }))
    const stops = parts.flatMap(({ last }) => (last === undefined ? [] : [last]))
    const [stop] = stops.toSorted((one, other) => inOrder(one, other, of.oldestFirst))
    const merged = parts
      .flatMap(({ entries }) => entries)
      .toSorted((one, other) => inOrder(one, other, of.oldestFirst))
      .filter((entry) => stop === undefined || inOrder(entry, stop, of.oldestFirst) <= 0)
    return { entries: merged, ...(stop === undefined ? {} : { last: stop }) }
  }

  const scanAny = (of: Scan): Promise<Part> =>
    of.filter.organization === undefined ? scanAll(of) : scan(of.filter.organization, of)

  /** The letters of entries, without those that went meanwhile. */
  const read = async (entries: readonly Place[]): Promise<readonly LetterParts[]> => {
    const groups = [...byOrganization(entries)].flatMap((own) => inChunks(own, readMax))
    const values = await sideBySide(groups, async (some) => {
      const keys = some.map(({ organization, id }) => letterKey(fleet, organization, id))
      return listIn(await redis.command('mget', ...keys))
    })
    const byPlace = new Map(groups.flatMap((some, at) => some.map((place, index) => [place, values[at]?.[index]])))
    return entries.flatMap((place) => readValue(place.organization, place.id, byPlace.get(place)) ?? [])
  }

  const pageOf = async (of: Scan, limit: number): Promise<LetterPage> => {
    const { entries, last, more } = await scanAny(of)
    const { text } = of.filter
    const found =
      text === undefined ? entries : entries.filter(({ letter }) => letter && letterMatches(letter, of.filter))
    const some = found.slice(0, limit)
    const end = found.length > limit ? some.at(-1) : last
    const items = of.what === 'letters' ? some.flatMap(({ letter }) => letter ?? []) : await read(some)
    if (end === undefined) return { items }
    return { items, next: cursorAt(end), more: found.length > limit || more === true }
  }

  return {
    page(filter, { limit, cursor, oldestFirst = false }) {
      const { organization, text } = filter
      const what = text !== undefined ? 'heads' : organization === undefined ? 'ids' : 'letters'
      const scanned = text === undefined ? limit : foundMax
      const place = cursor === undefined ? undefined : placeAt(cursor)
      return pageOf({ what, filter, limit: scanned, place, oldestFirst }, limit)
    },
    async heads(filter, cursor) {
      const place = cursor === undefined ? undefined : placeAt(cursor)
      const { entries, last } = await scanAny({ what: 'heads', filter, limit: foundMax, place, oldestFirst: true })
      const heads = entries.flatMap(({ letter }) => letter ?? [])
      return { heads, ...(last === undefined ? {} : { next: cursorAt(last) }) }
    },
  }
}

function byOrganization(places: readonly Place[]): Iterable<readonly Place[]> {
  const all = new Map<string, Place[]>()
  for (const place of places) {
    const own = all.get(place.organization)
    if (own === undefined) all.set(place.organization, [place])
    else own.push(place)
  }
  return all.values()
}
