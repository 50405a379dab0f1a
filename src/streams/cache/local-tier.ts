import { LRUCache } from 'lru-cache'
import type { ValueCodec } from '../../kernel/value-codec.ts'
import type { Address, CachePlace, CacheScope } from '../../ports/cache.ts'
import type { Clock } from '../../ports/clock.ts'
import { frozen } from './frozen.ts'
import { type LocalIndex, localIndex } from './local-index.ts'

/** What is valid of an organization and a scope in this process, until it is over: none comes back. */
export interface LocalFence {
  readonly isOver: boolean
}

/** What a process has of a value. */
export interface LocalValue {
  readonly value: unknown
  readonly isStale: boolean
}

/** Times in ms from now. */
export interface Lifetime {
  readonly freshForMs: number
  readonly staleForMs: number
}

/** Values in this process, bounded in number and in bytes. A value is served while the fence that it was loaded under holds. */
export interface LocalTier {
  readonly entries: number
  readonly bytes: number
  /** To be looked at before anything else is done: the next reader gets the same object. */
  get(address: Address): LocalValue | undefined
  /** The fence of now, to be taken before a value is loaded. */
  fence(place: CachePlace): LocalFence
  /** Keeps a value, if its fence still holds; gives the value as it is served. */
  keep(place: CachePlace, fence: LocalFence, body: Buffer, lifetime: Lifetime): unknown
  remove(address: Address): void
  invalidate(organization: string, scope: CacheScope): void
  clear(): void
}

export interface LocalTierOptions {
  readonly entriesMax: number
  readonly bytesMax: number
  readonly codec: ValueCodec
  /** Whether values are served as frozen objects, all the same, or each time as a copy. */
  readonly values: 'frozen' | 'cloned'
  readonly clock: Clock
}

interface Entry extends LocalValue {
  readonly place: Address
  readonly fence: LocalFence
  readonly freshUntil: number
  readonly staleUntil: number
  readonly bytes: number
  /** What the value is made from each time, where it cannot be the same one for all. */
  readonly body: Buffer | undefined
  isStale: boolean
  /** When it may be stale, or over, or is to be told of as one that is read; nothing of that is so before. */
  checkAt: number
}

type Fences = Record<CacheScope, { isOver: boolean }>

/**
 * Made with the first value: they take the room for `entriesMax` at once, half a megabyte unless told, and every instance
 * has a cache, used or not.
 */
interface Shelves {
  readonly entries: LRUCache<Entry, Entry>
  readonly fences: LRUCache<string, Fences>
}

/** How often a read is told to what knows which values were not read for longest, in ms: it costs as much as finding one. */
const touchEveryMs = 1_000
/** What an entry takes besides its value, about, in bytes. */
const entryBytes = 400

export function localTier({ entriesMax, bytesMax, codec, values, clock }: LocalTierOptions): LocalTier {
  const index: LocalIndex<Entry> = localIndex()
  let made: Shelves | undefined
  const shelves = (): Shelves => (made ??= shelvesFor(entriesMax, bytesMax, index))

  const fencesOf = (organization: string): Fences => {
    const { fences } = shelves()
    const known = fences.get(organization)
    if (known !== undefined) return known
    const begun: Fences = { all: fence(), stats: fence(), counts: fence(), search: fence() }
    fences.set(organization, begun)
    return begun
  }

  /** Says whether it may still be served. */
  const check = (entry: Entry, now: number): boolean => {
    shelves().entries.get(entry)
    entry.isStale = now >= entry.freshUntil
    entry.checkAt = Math.floor(Math.min(entry.isStale ? entry.staleUntil : entry.freshUntil, now + touchEveryMs))
    return now < entry.staleUntil
  }

  const remove = (address: Address): void => {
    const entry = index.get(address)
    if (entry !== undefined) shelves().entries.delete(entry)
  }

  return {
    get entries() {
      return made?.entries.size ?? 0
    },
    get bytes() {
      return made?.entries.calculatedSize ?? 0
    },
    get(address) {
      const entry = index.get(address)
      if (entry === undefined) return undefined
      const now = clock.monotonic()
      if (entry.fence.isOver || (now >= entry.checkAt && !check(entry, now))) {
        shelves().entries.delete(entry)
        return undefined
      }
      return entry.body === undefined ? entry : { value: codec.decode(entry.body), isStale: entry.isStale }
    },
    fence: ({ organization, scope }) => fencesOf(organization)[scope],
    keep(place, fence, body, { freshForMs, staleForMs }) {
      const value = codec.decode(body)
      const isShared = values === 'frozen' && frozen(value)
      const { organization, kind, key } = place
      const bytes = entryBytes + (organization.length + key.length) * 2 + body.length
      const now = clock.monotonic()
      const freshUntil = now + freshForMs
      const staleUntil = freshUntil + staleForMs
      // What takes more than a tenth of all there is would drive out the rest.
      if (fence.isOver || bytes > bytesMax / 10 || staleUntil <= now) return value
      const entry: Entry = {
        place: { organization, kind, key },
        fence,
        freshUntil,
        staleUntil,
        bytes,
        value: isShared ? value : undefined,
        body: isShared ? undefined : body,
        isStale: false,
        checkAt: 0,
      }
      remove(place)
      index.set(place, entry)
      shelves().entries.set(entry, entry)
      return value
    },
    remove,
    invalidate(organization, scope) {
      const known = made?.fences.peek(organization)
      if (known !== undefined) end(known, scope)
    },
    clear() {
      made?.entries.clear()
      made?.fences.clear()
    },
  }
}

function shelvesFor(entriesMax: number, bytesMax: number, index: LocalIndex<Entry>): Shelves {
  return {
    entries: new LRUCache<Entry, Entry>({
      max: entriesMax,
      maxSize: bytesMax,
      sizeCalculation: ({ bytes }) => bytes,
      dispose: ({ place }) => index.delete(place),
    }),
    fences: new LRUCache<string, Fences>({
      max: entriesMax,
      dispose: (lost) => end(lost, 'all'),
    }),
  }
}

function fence(): { isOver: boolean } {
  return { isOver: false }
}

const scopes = ['all', 'stats', 'counts', 'search'] as const

function end(fences: Fences, scope: CacheScope): void {
  for (const each of scope === 'all' ? scopes : [scope]) {
    fences[each].isOver = true
    fences[each] = fence()
  }
}
