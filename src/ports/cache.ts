/** Where a value is kept: whose it is, of what kind (which says how long it lives), and which one. */
export interface Address {
  readonly organization: string
  readonly kind: string
  readonly key: string
}

/**
 * A cache whose values can be invalidated by organization and scope.
 *
 * The contract: `undefined` for what is not there; a value whose loading began before an invalidation is never served
 * after it; one load for a key, however many wait; a rejection of the loader reaches all of them.
 */
export interface Cache {
  get(address: Address): Promise<unknown>
  set(address: Address, value: unknown, options?: { readonly ttlMs?: number }): Promise<void>
  delete(address: Address): Promise<void>
  wrap<T>(address: Address, loader: () => Promise<T>): Promise<T>
  invalidate(target: {
    readonly organization: string
    readonly scope: 'stats' | 'counts' | 'search' | 'all'
  }): Promise<void>
}
