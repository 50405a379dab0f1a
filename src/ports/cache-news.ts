import type { CacheNews, CacheScope } from './cache.ts'

/** What instances tell each other of a cache, as JSON. Readers ignore what they do not know. */
export function cacheNewsText(news: CacheNews): string {
  return JSON.stringify({ v: 1, ...news })
}

/** `undefined` for what cannot be read. */
export function cacheNewsOf(text: string): CacheNews | undefined {
  const { id, organization, scope, kind, key } = fieldsOf(text)
  if (typeof id !== 'string' || typeof organization !== 'string') return undefined
  if (isScope(scope)) return { id, organization, scope }
  if (typeof kind === 'string' && typeof key === 'string') return { id, organization, kind, key }
  return undefined
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
  } catch {
    return {}
  }
}

function isScope(scope: unknown): scope is CacheScope {
  return scope === 'stats' || scope === 'counts' || scope === 'search' || scope === 'all'
}
