import { z } from 'zod'
import { ConfigError } from '../../kernel/errors.ts'
import { checkName } from '../../kernel/names.ts'
import { durationMs, shown } from '../../kernel/options.ts'
import type { CachePlace, CacheScope } from '../../ports/cache.ts'

export interface CacheKind {
  /** How long a value is fresh, in ms; up to a tenth less, so that those that were loaded together do not end together. */
  readonly ttlMs: number
  /** What invalidates it, beside `all`. */
  readonly scope: CacheScope
  /** How long after that it is still served while a new one is loaded, or cannot be; in ms, 0. */
  readonly staleMs?: number | undefined
  /** How long it is remembered that there is nothing (`undefined` or `null`), in ms; `ttlMs`. */
  readonly absentTtlMs?: number | undefined
}

const minute = 60_000

/** The kinds of the specification. */
export const defaultCacheKinds: Readonly<
  Record<'stats' | 'distributions' | 'trends' | 'counts' | 'search', CacheKind>
> = Object.freeze({
  stats: Object.freeze({ ttlMs: 5 * minute, scope: 'stats' }),
  distributions: Object.freeze({ ttlMs: 5 * minute, scope: 'stats' }),
  trends: Object.freeze({ ttlMs: 10 * minute, scope: 'stats' }),
  counts: Object.freeze({ ttlMs: 30_000, scope: 'counts' }),
  search: Object.freeze({ ttlMs: 2 * minute, scope: 'search' }),
})

export const cacheKindsSchema: z.ZodType<Readonly<Record<string, CacheKind>>> = z.record(
  z.string().min(1).max(128),
  z.strictObject({
    ttlMs: durationMs,
    scope: z.enum(['stats', 'counts', 'search', 'all']),
    staleMs: durationMs.optional(),
    absentTtlMs: durationMs.optional(),
  }),
)

const keyLengthMax = 512
const scopes = ['stats', 'counts', 'search', 'all'] as const

/** What an address names. @throws ConfigError for a kind that is not known, and for what is no name */
export function placeOf(
  address: { readonly organization: unknown; readonly kind: unknown; readonly key: unknown },
  kinds: ReadonlyMap<string, CacheKind>,
): CachePlace {
  const { organization, kind, key } = address
  const known = typeof kind === 'string' ? kinds.get(kind) : undefined
  if (known === undefined || typeof kind !== 'string')
    throw new ConfigError(
      'kind',
      `expected one of ${[...kinds.keys()].slice(0, 20).join(', ')} (given: ${shown(kind)})`,
    )
  if (typeof key !== 'string' || key.length === 0 || key.length > keyLengthMax || !key.isWellFormed())
    throw new ConfigError('key', `expected a text of 1 to ${keyLengthMax} characters (given: ${shown(key)})`)
  return { organization: checkName(organization, 'organization'), kind, key, scope: known.scope }
}

/** @throws ConfigError */
export function checkScope(scope: unknown): CacheScope {
  const found = scopes.find((each) => each === scope)
  if (found !== undefined) return found
  throw new ConfigError('scope', `expected one of ${scopes.join(', ')} (given: ${shown(scope)})`)
}
