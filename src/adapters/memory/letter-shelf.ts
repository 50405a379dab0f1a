import type { LetterParts } from '../../ports/letter.ts'

/** A place in the order of creation, and of arrival among letters of the same instant. */
export interface Place {
  readonly createdAt: number
  readonly arrival: number
}

/** A letter in its place; without `parts` once it was taken off. */
export interface Shelved extends Place {
  parts: LetterParts | undefined
}

export interface LetterShelf {
  /** About what all letters take, in characters. */
  readonly characters: number
  get(id: string): LetterParts | undefined
  countOf(organization: string): number
  /** Of an id that is not there. `arrival` where it had one before; else it is the last to arrive. */
  add(parts: LetterParts, arrival?: number): void
  /** Of an id that is there. */
  replace(parts: LetterParts): void
  takeOff(id: string): boolean
  /** Those in front of a place, the nearest first; from the last on when there is none. Places that are empty come, too. */
  backwards(from: Place | undefined): Iterable<Shelved>
  /** Those behind a place, the nearest first; from the first on when there is none. */
  forwards(from: Place | undefined): Iterable<Shelved>
}

/** Letters in the order of their creation. Those that come late find their place, those that go leave it empty for a while. */
export function letterShelf(): LetterShelf {
  const byId = new Map<string, Shelved>()
  const byOrganization = new Map<string, number>()
  let inOrder: Shelved[] = []
  let arrivals = 0
  let characters = 0

  /** Index of the first that is not in front of a place. */
  const indexOf = (place: Place): number => {
    let [low, high] = [0, inOrder.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const other = inOrder[middle]
      if (other !== undefined && isBefore(other, place)) low = middle + 1
      else high = middle
    }
    return low
  }

  const count = (organization: string, by: number): void => {
    const letters = (byOrganization.get(organization) ?? 0) + by
    if (letters > 0) byOrganization.set(organization, letters)
    else byOrganization.delete(organization)
  }

  return {
    get characters() {
      return characters
    },
    get: (id) => byId.get(id)?.parts,
    countOf: (organization) => byOrganization.get(organization) ?? 0,
    add(parts, arrival = arrivals + 1) {
      const { id, organization, createdAt } = parts.header
      arrivals = Math.max(arrivals, arrival)
      const shelved = { createdAt, arrival, parts }
      byId.set(id, shelved)
      const last = inOrder.at(-1)
      if (last === undefined || isBefore(last, shelved)) inOrder.push(shelved)
      else inOrder.splice(indexOf(shelved), 0, shelved)
      count(organization, 1)
      characters += sizeOf(parts)
    },
    replace(parts) {
      const shelved = byId.get(parts.header.id)
      if (shelved?.parts === undefined) return
      characters += sizeOf(parts) - sizeOf(shelved.parts)
      shelved.parts = parts
    },
    takeOff(id) {
      const shelved = byId.get(id)
      if (shelved?.parts === undefined) return false
      byId.delete(id)
      count(shelved.parts.header.organization, -1)
      characters -= sizeOf(shelved.parts)
      shelved.parts = undefined
      if (inOrder.length > 1_000 && inOrder.length > 2 * byId.size)
        inOrder = inOrder.filter(({ parts }) => parts !== undefined)
      return true
    },
    *backwards(from) {
      const order = inOrder
      for (let index = (from === undefined ? order.length : indexOf(from)) - 1; index >= 0; index -= 1) {
        const shelved = order[index]
        if (shelved !== undefined) yield shelved
      }
    },
    *forwards(from) {
      const order = inOrder
      for (let index = from === undefined ? 0 : indexOf(from); index < order.length; index += 1) {
        const shelved = order[index]
        if (shelved !== undefined && (from === undefined || isBefore(from, shelved))) yield shelved
      }
    },
  }
}

/** About what a letter takes. */
export function sizeOf({ header, body }: LetterParts): number {
  const { error, attempts, edits = [] } = header
  const replaced = edits.reduce((sum, edit) => sum + (edit.body?.length ?? 0), 0)
  return body.length + replaced + error.message.length + (error.stack?.length ?? 0) + 500 + attempts.length * 50
}

function isBefore(one: Place, other: Place): boolean {
  return one.createdAt === other.createdAt ? one.arrival < other.arrival : one.createdAt < other.createdAt
}
