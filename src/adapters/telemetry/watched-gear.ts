import type { Link } from '../../ports/event-log.ts'

/** What is read of an instance at each collection; what `createSwitchgear` gives has all of it. */
export interface WatchedGear {
  readonly instance: string
  readonly breakers: ReadonlyMap<string, { readonly state: { readonly mode: string } }>
  readonly transitions$: Watchable<ToldTransition>
  readonly link$: Watchable<Link>
  readonly deadLetters: { stats(): Promise<LettersSummary> }
  readonly cache: { stats(): CacheSummary }
}

interface Watchable<T> {
  subscribe(observer: { next(value: T): void; complete(): void }): { unsubscribe(): void }
}

export interface ToldTransition {
  readonly breaker: string
  readonly from: string
  readonly to: string
  readonly scope: string
  readonly reason: string
  readonly by: string
  readonly at: number
  readonly term: number
}

export interface LettersSummary {
  readonly parked: number
  readonly spilled: number
  readonly oldestAgeMs: number
  readonly rows: readonly { readonly channel: string; readonly count: number }[]
}

interface CacheSummary {
  readonly entries: number
  readonly bytes: number
  readonly tiers: Readonly<Record<'local' | 'shared', { readonly hits: number; readonly misses: number }>>
}
