import { LRUCache } from 'lru-cache'
import type { ValueCodec } from '../kernel/value-codec.ts'
import type { CachePlace, CacheScope } from '../ports/cache.ts'
import type { Clock } from '../ports/clock.ts'
import { frozen } from './frozen.ts'

/** What is valid of an organization at a moment, in this process. */
export interface LocalFence {
  readonly organization: string
  readonly scope: CacheScope
  readonly all: number
  readonly own: number
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

/**
 * Values in this process, bounded in number and in bytes. A value is served while the fence that it was loaded under holds;
 * every fence is used once, so that one that was forgotten never comes back.
 */
export interface LocalTier {
  readonly entries: number
  readonly bytes: number
  get(at: string): LocalValue | undefined
  /** The fence of now, to be taken before a value is loaded. */
  fence(place: CachePlace): LocalFence
  holds(fence: LocalFence): boolean
  /** Keeps a value, if its fence still holds; gives the value as it is served. */
  keep(at: string, fence: LocalFence, body: Buffer, lifetime: Lifetime): unknown
  remove(at: string): void
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

interface Entry {
  readonly fence: LocalFence
  readonly freshUntil: number
  readonly staleUntil: number
  readonly bytes: number
  /** What is served, or what it is made from each time. */
  readonly served: { readonly value: unknown } | { readonly body: Buffer }
}

type Fences = Readonly<Record<CacheScope, number>>

/** What an entry takes besides its value, about, in bytes. */
const entryBytes = 200

export function localTier({ entriesMax, bytesMax, codec, values, clock }: LocalTierOptions): LocalTier {
  const entries = new LRUCache<string, Entry>({
    max: entriesMax,
    maxSize: bytesMax,
    sizeCalculation: ({ bytes }) => bytes,
  })
  const fences = new LRUCache<string, Fences>({ max: entriesMax })
  let used = 0
  const next = (): number => (used += 1)

  const fencesOf = (organization: string): Fences => {
    const known = fences.get(organization)
    if (known !== undefined) return known
    const made: Fences = { all: next(), stats: next(), counts: next(), search: next() }
    fences.set(organization, made)
    return made
  }

  const holds = ({ organization, scope, all, own }: LocalFence): boolean => {
    const now = fences.get(organization)
    return now !== undefined && now.all === all && now[scope] === own
  }

  return {
    get entries() {
      return entries.size
    },
    get bytes() {
      return entries.calculatedSize
    },
    get(at) {
      const entry = entries.get(at)
      if (entry === undefined) return undefined
      const now = clock.monotonic()
      if (now < entry.staleUntil && holds(entry.fence))
        return { value: valueOf(entry.served, codec), isStale: now >= entry.freshUntil }
      entries.delete(at)
      return undefined
    },
    fence({ organization, scope }) {
      const now = fencesOf(organization)
      return { organization, scope, all: now.all, own: now[scope] }
    },
    holds,
    keep(at, fence, body, { freshForMs, staleForMs }) {
      const value = codec.decode(body)
      const served = values === 'frozen' && frozen(value) ? { value } : { body }
      const bytes = entryBytes + at.length * 2 + body.length
      const now = clock.monotonic()
      const staleUntil = now + freshForMs + staleForMs
      // What takes more than a tenth of all there is would drive out the rest.
      if (holds(fence) && bytes <= bytesMax / 10 && staleUntil > now)
        entries.set(at, { fence, freshUntil: now + freshForMs, staleUntil, bytes, served })
      return value
    },
    remove: (at) => void entries.delete(at),
    invalidate(organization, scope) {
      fences.set(organization, { ...fencesOf(organization), [scope]: next() })
    },
    clear() {
      entries.clear()
      fences.clear()
    },
  }
}

function valueOf(served: Entry['served'], codec: ValueCodec): unknown {
  return 'value' in served ? served.value : codec.decode(served.body)
}
