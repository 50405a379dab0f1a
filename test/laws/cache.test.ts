import { describe, expect, test } from 'vitest'
import type { SharedCache, SharedValue } from '../../src/ports/cache.ts'
import { type Cache, twoTierCache } from '../../src/streams/cache/two-tier-cache.ts'
import { examineLaw, proveLaw } from '../../src/testing/law.ts'
import { type CacheLawName, cacheLaws, cacheLawsOf } from '../../src/testing/laws/cache.ts'
import { twoTiersInMemory } from '../../src/testing/laws/cache-subject.ts'
import { unshrunk } from './unshrunk.ts'

describe('the laws of caches', () => {
  test.each(Object.values(cacheLaws).map((law) => [law.name, law.says, law] as const))(
    '%s: %s',
    async (_name, _says, law) => {
      expect(await proveLaw(law)).toMatchObject({ status: 'passed' })
    },
  )
})

describe('the laws of caches find', () => {
  const tiers: readonly [what: string, law: CacheLawName, change: (tier: SharedCache) => Partial<SharedCache>][] = [
    [
      'a load that is kept whatever was invalidated meanwhile',
      'fresh',
      ({ keep }) => ({
        keep: (place, { body, ttlMs, staleMs }) => keep(place, { body, ttlMs, staleMs, id: 'x' }),
      }),
    ],
    [
      'a tier that finds what was invalidated',
      'fresh',
      ({ find }) => {
        const seen = new Map<string, SharedValue>()
        return {
          async find(place, lease) {
            const found = await find(place, lease)
            const at = `${place.kind}:${place.key}`
            const value = found.status === 'hit' ? found.value : seen.get(at)
            if (value === undefined) return found
            seen.set(at, value)
            return { status: 'hit', value }
          },
        }
      },
    ],
    [
      'organizations whose names are joined to keys',
      'isolated',
      ({ find, keep }) => {
        const joined = ({ organization, kind, key, scope }: Parameters<typeof find>[0]) =>
          ({ organization: 'all', kind: '-', key: `${organization}:${kind}:${key}`, scope }) as const
        return { find: (place, lease) => find(joined(place), lease), keep: (place, kept) => keep(joined(place), kept) }
      },
    ],
    [
      'an invalidation of everybody',
      'isolated',
      ({ invalidate }) => ({
        async invalidate(news) {
          for (const organization of ['a', 'b', 'a:b', ':', 'A', 'e', 'l']) await invalidate({ ...news, organization })
        },
      }),
    ],
    [
      'a tier without leases',
      'oneLoad',
      ({ find }) => ({
        async find(place) {
          return find(place)
        },
      }),
    ],
    [
      'a tier in which values do not grow old',
      'boundedStaleness',
      ({ keep }) => ({ keep: (place, kept) => keep(place, { ...kept, ttlMs: kept.ttlMs * 3 }) }),
    ],
    [
      'a tier that does not say for how long',
      'boundedStaleness',
      ({ find }) => ({
        async find(place, lease) {
          const found = await find(place, lease)
          return found.status === 'hit' ? { ...found, value: { ...found.value, freshForMs: 600 } } : found
        },
      }),
    ],
  ]
  const wires: typeof tiers = [
    ['news that nobody hears', 'fresh', ({ follow }) => ({ follow: ({ onLink }) => follow({ onLink, onNews() {} }) })],
    [
      'a link that comes up without a word',
      'fresh',
      ({ follow }) => ({ follow: ({ onNews }) => follow({ onNews, onLink() {} }) }),
    ],
  ]
  const caches: readonly [what: string, law: CacheLawName, change: (cache: Cache) => Partial<Cache>][] = [
    [
      'an invalidation that resolves before it was done',
      'fresh',
      ({ invalidate }) => ({
        async invalidate(target) {
          invalidate(target).catch(() => {})
        },
      }),
    ],
    [
      'a rejection that only one is given',
      'oneLoad',
      ({ wrap }) => ({ wrap: (address, loader) => wrap(address, loader).catch(() => wrap(address, () => 7 as never)) }),
    ],
  ]

  async function expectBroken(law: CacheLawName, subject: typeof twoTiersInMemory): Promise<void> {
    const report = await examineLaw(unshrunk(cacheLawsOf(subject)[law]), { runs: 1_000, seed: 1 })
    expect(report.status, report.message).toBe('failed')
  }

  test.each(tiers)('%s (%s)', async (_what, law, change) => {
    const shared: typeof twoTiersInMemory.shared = (clock) => {
      const sound = twoTiersInMemory.shared(clock)
      return { ...sound, ...change(sound) }
    }
    await expectBroken(law, { ...twoTiersInMemory, shared })
  })

  test.each(wires)('%s (%s)', async (_what, law, change) => {
    const cache: typeof twoTiersInMemory.cache = (tier, options) => twoTierCache({ ...tier, ...change(tier) }, options)
    await expectBroken(law, { ...twoTiersInMemory, cache })
  })

  test.each(caches)('%s (%s)', async (_what, law, change) => {
    const cache: typeof twoTiersInMemory.cache = (tier, options) => {
      const sound = twoTierCache(tier, options)
      return { ...sound, ...change(sound) }
    }
    await expectBroken(law, { ...twoTiersInMemory, cache })
  })

  test('values that became JSON (types)', async () => {
    const codec = {
      encode: (value: unknown) => Buffer.from(JSON.stringify(value) ?? 'null'),
      decode: (body: Buffer): unknown => JSON.parse(body.toString()),
    }
    await expectBroken('types', { ...twoTiersInMemory, codec })
  })
})
