import type { Law } from '../law.ts'
import { freshLaw } from './cache-fresh.ts'
import { oneLoadLaw } from './cache-loads.ts'
import { type CacheSubject, twoTiersInMemory } from './cache-subject.ts'
import { boundedStalenessLaw, isolatedLaw, typesLaw } from './cache-values.ts'

export type CacheLawName = 'fresh' | 'isolated' | 'oneLoad' | 'boundedStaleness' | 'types'

/** The laws of caches, for any shared tier and any cache over it. */
export function cacheLawsOf(subject: CacheSubject): Readonly<Record<CacheLawName, Law>> {
  return {
    fresh: freshLaw(subject),
    isolated: isolatedLaw(subject),
    oneLoad: oneLoadLaw(subject),
    boundedStaleness: boundedStalenessLaw(subject),
    types: typesLaw(subject),
  }
}

export const cacheLaws: Readonly<Record<CacheLawName, Law>> = Object.freeze(cacheLawsOf(twoTiersInMemory))
