import type { Address } from '../../ports/cache.ts'

/**
 * Entries by address. A map in a map in a map finds what is there without making a text of the address, which would cost
 * more than the three do; and what is no address is not there.
 */
export interface LocalIndex<E> {
  get(address: Address): E | undefined
  set(address: Address, entry: E): void
  delete(address: Address): void
}

export function localIndex<E>(): LocalIndex<E> {
  const kinds = new Map<string, Map<string, Map<string, E>>>()
  return {
    // Not checked yet: it may be nothing at all.
    get: (address) => kinds.get(address?.kind)?.get(address.organization)?.get(address.key),
    set({ organization, kind, key }, entry) {
      const ofKind = kinds.get(kind) ?? new Map<string, Map<string, E>>()
      kinds.set(kind, ofKind)
      const ofOrganization = ofKind.get(organization) ?? new Map<string, E>()
      ofKind.set(organization, ofOrganization)
      ofOrganization.set(key, entry)
    },
    delete({ organization, kind, key }) {
      const ofOrganization = kinds.get(kind)?.get(organization)
      ofOrganization?.delete(key)
      if (ofOrganization?.size === 0) kinds.get(kind)?.delete(organization)
    },
  }
}
