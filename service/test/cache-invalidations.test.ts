import { describe, expect, it } from 'vitest'
import { type Invalidation, memoryCache, UnavailableError } from 'switchgear'
import { until } from '../../test/servers/until.ts'
import { cacheInvalidations } from '../src/cache/cache-invalidations.ts'

const everyMs = 60
const silent = { info: () => {}, warn: () => {}, error: () => {} }

interface Told extends Invalidation {
  readonly at: number
}

/** A cache that tells what it was told to invalidate, and fails as often as it is to. */
function watchedCache(failures = 0) {
  const told: Told[] = []
  const cache = memoryCache()
  let left = failures
  return {
    told,
    toldOf: (name: string) => told.filter(({ organization }) => organization === name).map(({ scope }) => scope),
    async invalidate(target: Invalidation) {
      told.push({ ...target, at: performance.now() })
      if ((left -= 1) >= 0) throw new UnavailableError('the shared cache', 'it is away')
      await cache.invalidate(target)
    },
  }
}

describe('what is cached of an organization', () => {
  it('is invalidated at once by the first change, and by many more at most once in the time', async () => {
    const cache = watchedCache()
    const invalidations = cacheInvalidations({ cache, logger: silent, everyMs })
    const startedAt = performance.now()
    let changes = 0
    await until('five times to be over', () => {
      invalidations.changed('acme', 'stored')
      changes += 1
      return performance.now() - startedAt > everyMs * 5 || undefined
    })
    const lastAt = performance.now()
    await until('an invalidation after the last change', () => (cache.told.at(-1)?.at ?? 0) >= lastAt || undefined)
    expect(changes).toBeGreaterThan(cache.told.length)
    expect(cache.told[0]?.at).toBeLessThan(startedAt + everyMs)
    for (const [index, { at }] of cache.told.entries())
      if (index > 0) expect(at - (cache.told[index - 1]?.at ?? 0)).toBeGreaterThan(everyMs - 5)
    await invalidations.stop()
  })

  it('is all for new alerts, and counts alone for outcomes; what waits is done together', async () => {
    const cache = watchedCache()
    const invalidations = cacheInvalidations({ cache, logger: silent, everyMs })
    invalidations.changed('acme', 'settled')
    invalidations.changed('acme', 'settled')
    invalidations.changed('acme', 'stored')
    invalidations.changed('acme', 'settled')
    invalidations.changed('globex', 'stored')
    await until('the second of acme', () => cache.toldOf('acme').length === 2 || undefined)
    expect(cache.toldOf('acme')).toEqual(['counts', 'all'])
    expect(cache.toldOf('globex')).toEqual(['all'])
    await invalidations.stop()
    expect(cache.toldOf('acme')).toHaveLength(2)
  })

  it('is with an outcome also that of all organizations, ten times as rarely', async () => {
    const cache = watchedCache()
    const invalidations = cacheInvalidations({ cache, logger: silent, everyMs })
    invalidations.changed('acme', 'stored')
    expect(cache.toldOf('*')).toEqual([])
    const startedAt = performance.now()
    await until('it to be told twice', () => {
      invalidations.changed('globex', 'settled')
      return cache.toldOf('*').length === 2 || undefined
    })
    expect(performance.now() - startedAt).toBeGreaterThan(everyMs * 10 - 5)
    expect(cache.toldOf('*')).toEqual(['counts', 'counts'])
    await invalidations.stop()
  })

  it('is invalidated again when that failed, and the log says so once', async () => {
    const cache = watchedCache(3)
    const said: string[] = []
    const say = (_facts: object, text: string): void => void said.push(text)
    const invalidations = cacheInvalidations({ cache, logger: { info: say, warn: say, error: say }, everyMs })
    invalidations.changed('acme', 'stored')
    await until('the fourth try', () => cache.told.length === 4 || undefined)
    await invalidations.stop()
    expect(cache.told.every(({ scope }) => scope === 'all')).toBe(true)
    expect(cache.told).toHaveLength(4)
    expect(said).toEqual(['the cache could not be invalidated: tried again soon', 'the cache can be invalidated again'])
  })

  it('is invalidated before the end where that is owed, and not waited for again where it fails', async () => {
    const cache = watchedCache(9)
    const invalidations = cacheInvalidations({ cache, logger: silent, everyMs: 60_000 })
    invalidations.changed('acme', 'stored')
    invalidations.changed('acme', 'settled')
    await invalidations.stop()
    invalidations.changed('acme', 'stored')
    expect(cache.toldOf('acme')).toEqual(['all', 'all'])
  })
})
