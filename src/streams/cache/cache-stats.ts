/** How a cache is used, since it was made, by this process. */
export interface CacheStats {
  /** Reads that found a value in one of the tiers; those that found none. */
  readonly hits: number
  readonly misses: number
  /** Of the hits, those that were stale. */
  readonly stale: number
  /** Loaders that were run; those that failed, and how long they took in all, in ms. */
  readonly loads: number
  readonly loadsFailed: number
  readonly loadMs: number
  /** What is in this process now. */
  readonly entries: number
  readonly bytes: number
  /** Hits of all reads, 0 to 1; 0 before the first. */
  readonly hitRate: number
  readonly tiers: { readonly local: TierStats; readonly shared: TierStats }
  readonly kinds: Readonly<Record<string, Omit<CacheStats, 'entries' | 'bytes' | 'tiers' | 'kinds'>>>
}

export interface TierStats {
  readonly hits: number
  readonly misses: number
  /** Questions to the shared tier that were not answered in time, or not asked since it does not answer. */
  readonly unanswered: number
}

/** How one read ended. */
export type ReadEnd = 'local' | 'shared' | 'miss'

export interface CacheCounter {
  read(kind: string, end: ReadEnd, isStale?: boolean): void
  unanswered(): void
  loaded(kind: string, tookMs: number, failed: boolean): void
  stats(entries: number, bytes: number): CacheStats
}

interface Counts {
  local: number
  shared: number
  misses: number
  stale: number
  loads: number
  loadsFailed: number
  loadMs: number
}

export function cacheCounter(kinds: Iterable<string>): CacheCounter {
  const byKind = new Map([...kinds].map((kind) => [kind, newCounts()]))
  const of = (kind: string): Counts => byKind.get(kind) ?? newCounts()
  let unanswered = 0
  return {
    read(kind, end, isStale = false) {
      const counts = of(kind)
      if (end === 'local') counts.local += 1
      else if (end === 'shared') counts.shared += 1
      else counts.misses += 1
      if (isStale) counts.stale += 1
    },
    unanswered: () => void (unanswered += 1),
    loaded(kind, tookMs, failed) {
      const counts = of(kind)
      counts.loads += 1
      counts.loadMs += tookMs
      if (failed) counts.loadsFailed += 1
    },
    stats(entries, bytes) {
      const all = newCounts()
      for (const counts of byKind.values())
        for (const key of Object.keys(all) as (keyof Counts)[]) all[key] += counts[key]
      return {
        ...told(all),
        entries,
        bytes,
        tiers: {
          local: { hits: all.local, misses: all.shared + all.misses, unanswered: 0 },
          shared: { hits: all.shared, misses: all.misses, unanswered },
        },
        kinds: Object.fromEntries([...byKind].map(([kind, counts]) => [kind, told(counts)])),
      }
    },
  }
}

function newCounts(): Counts {
  return { local: 0, shared: 0, misses: 0, stale: 0, loads: 0, loadsFailed: 0, loadMs: 0 }
}

function told({ local, shared, misses, stale, loads, loadsFailed, loadMs }: Counts) {
  const hits = local + shared
  const hitRate = hits === 0 ? 0 : hits / (hits + misses)
  return { hits, misses, stale, loads, loadsFailed, loadMs, hitRate }
}
