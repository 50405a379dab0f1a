/** Where a value is kept: whose it is, of what kind (which says how long it lives), and which one. */
export interface Address {
  /** 1 to 128 characters. */
  readonly organization: string
  /** A kind that the cache knows. */
  readonly kind: string
  /** 1 to 512 characters. */
  readonly key: string
}

/** What is invalidated at once: values of the kinds of a scope, or all values of an organization. */
export type CacheScope = 'stats' | 'counts' | 'search' | 'all'

export interface Invalidation {
  readonly organization: string
  readonly scope: CacheScope
}

/** An address, with the scope of its kind. */
export interface CachePlace extends Address {
  readonly scope: CacheScope
}

/**
 * What an organization's values of a scope carry while they are valid. Nobody can guess one, and none comes twice: a fence
 * that was evicted, expired or lost makes misses, never old values.
 */
export type Fence = string

/** A value as the instances share it. */
export interface SharedValue {
  readonly body: Buffer
  /** How long it is fresh, in ms; 0 when it is only good enough for those who take stale ones. */
  readonly freshForMs: number
}

/**
 * What a reader finds. `lead`: it has the lease, and whoever else comes waits for it to load; with a stale value, if there
 * is one. `wait`: somebody else is loading.
 */
export type Found =
  | { readonly status: 'hit'; readonly value: SharedValue }
  | { readonly status: 'miss' }
  | { readonly status: 'lead'; readonly fence: Fence; readonly stale: SharedValue | undefined }
  | { readonly status: 'wait'; readonly stale: SharedValue | undefined }

/** A lease to ask for, where there is nothing fresh. */
export interface LoadLease {
  /** Who asks: unique for each load. */
  readonly by: string
  readonly leaseMs: number
}

/** A value to keep, if nothing was invalidated since its loading began. */
export interface Kept {
  readonly body: Buffer
  readonly ttlMs: number
  /** How long after that it may still be served as stale, in ms. */
  readonly staleMs: number
  /** Whose load it is, and the fence since when. */
  readonly load: { readonly by: string; readonly fence: Fence }
}

/** A value that was not loaded: it is kept under the fences of now, and the others are told to forget the one before. */
export interface Written extends Omit<Kept, 'load'> {
  readonly id: string
}

/** What instances tell each other. Each change has an id of its own, and may be heard twice. */
export type CacheNews =
  | ({ readonly id: string } & Invalidation)
  | ({ readonly id: string; readonly key: string; readonly kind: string } & Pick<Address, 'organization'>)

/** What a follower of the news hears. While the link is down news are lost, and not made up for. */
export interface CacheFollower {
  onNews(news: CacheNews): void
  onLink(isUp: boolean): void
}

/**
 * What the instances of a fleet share of a cache: a store of values with fences. Each method is one step; all reject with
 * `UnavailableError` while it cannot be asked.
 *
 * The contract: a value that was kept under a fence is never found once the fence was replaced; the lease of a key is
 * whose it is until it is over, or a fence that it was given under is replaced, and what the holder keeps after it lost the
 * lease is not kept.
 */
export interface SharedCache {
  find(place: CachePlace, lease?: LoadLease): Promise<Found>
  /** Says whether it was kept; a lease that it was loaded under is over. */
  keep(place: CachePlace, kept: Kept | Written): Promise<boolean>
  /** Prolongs a lease, or ends it (`leaseMs` 0). */
  renew(place: CachePlace, lease: LoadLease): Promise<void>
  /** Removes a value, so that a load under way does not bring it back, and tells the others. */
  remove(place: CachePlace, id: string): Promise<void>
  /** Replaces fences, and tells the others. */
  invalidate(news: CacheNews & Invalidation): Promise<void>
  /** Hears what other instances tell, and one's own. Returns how to stop. */
  follow(follower: CacheFollower): () => void
  close?(): Promise<void>
}
