import { ConfigError } from '../../kernel/errors.ts'
import { shown } from '../../kernel/options.ts'
import { letterId, organizationOf } from '../../ports/letter.ts'
import { ownId } from './letter-keys.ts'

/** A place in the order of creation. Letters of the same instant are in the order of organizations, then of ids. */
export interface Place {
  /** The instant, as Redis writes it. */
  readonly at: string
  readonly organization: string
  readonly id: string
}

export function cursorAt({ at, organization, id }: Place): string {
  return `${at}_${letterId(organization, id)}`
}

/** @throws ConfigError for a cursor that no page gave */
export function placeAt(cursor: unknown): Place {
  const end = typeof cursor === 'string' ? cursor.indexOf('_') : -1
  if (typeof cursor === 'string' && end > 0) {
    const [at, id] = [cursor.slice(0, end), cursor.slice(end + 1)]
    const organization = organizationOf(id)
    if (organization !== undefined && numberPattern.test(at)) return { at, organization, id: ownId(id) }
  }
  throw new ConfigError('cursor', `expected what a page gave as its next (given: ${shown(cursor)})`)
}

const numberPattern = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/

/** The same place among the letters of an organization: an instant, and the id behind which they go on. */
export function placeIn(organization: string, place: Place | undefined): readonly [at: string, id: string] {
  if (place === undefined) return ['', '']
  if (place.organization === organization) return [place.at, place.id]
  return [place.at, organization < place.organization ? afterAllIds : '']
}

/** Redis compares bytes, and no longer id than 128 characters is there. */
const afterAllIds = '\u{10ffff}'.repeat(65)

/** Negative when the first comes first in a listing; 0 for the same instant of the same organization. */
export function inOrder(one: Place, other: Place, oldestFirst: boolean): number {
  const newestFirst =
    Number(other.at) - Number(one.at) ||
    Number(one.organization < other.organization) - Number(one.organization > other.organization)
  return oldestFirst ? -newestFirst : newestFirst
}
