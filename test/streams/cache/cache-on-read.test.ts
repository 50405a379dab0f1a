import { describe, expect, it } from 'vitest'
import { type CacheRead, memoryCache } from '../../../src/index.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

const address = { organization: 'acme', kind: 'slow', key: 'k' }

describe('a read of the cache', () => {
  it('is told whether it was a miss, a hit or stale, and so is who waits for a load of another', async () => {
    const clock = virtualClock()
    const kinds = { slow: { ttlMs: 1_000, staleMs: 10_000, scope: 'stats' as const } }
    const cache = memoryCache({ clock, kinds })
    const seen: CacheRead[] = []
    const read = (): Promise<number> => cache.wrap(address, () => 7, { onRead: (how) => seen.push(how) })
    await Promise.all([read(), read()])
    await read()
    await clock.advanceBy(1_001)
    await read()
    expect(seen).toEqual([
      { found: 'miss', isStale: false },
      { found: 'miss', isStale: false },
      { found: 'local', isStale: false },
      { found: 'local', isStale: true },
    ])
  })

  it('is told nothing where there is no value', async () => {
    const seen: CacheRead[] = []
    const failing = (): never => {
      throw new Error('no')
    }
    const cache = memoryCache()
    const read = cache.wrap({ ...address, kind: 'stats' }, failing, { onRead: (how) => seen.push(how) })
    await expect(read).rejects.toThrow('no')
    expect(seen).toEqual([])
  })
})
