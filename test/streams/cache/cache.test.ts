import { describe, expect, test } from 'vitest'
import { memorySharedCache } from '../../../src/adapters/memory/shared-cache.ts'
import { OverCapacityError, UnavailableError } from '../../../src/kernel/errors.ts'
import type { SharedCache } from '../../../src/ports/cache.ts'
import type { CacheKind } from '../../../src/streams/cache/cache-kinds.ts'
import { withCacheDefaults } from '../../../src/streams/cache/cache-options.ts'
import { type Cache, type NewsChannel, twoTierCache } from '../../../src/streams/cache/two-tier-cache.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { type VirtualClock, virtualClock } from '../../../src/testing/virtual-clock.ts'

const address = { organization: 'acme', kind: 'report', key: 'day' }
const scope = { organization: 'acme', scope: 'stats' } as const

interface Rig {
  readonly clock: VirtualClock
  readonly shared: SharedCache
  readonly cache: Cache
  /** Another one on the same tier. */
  another(change?: Partial<SharedCache>, news?: NewsChannel): Cache
}

function rig(kind: Partial<CacheKind> = {}, entriesMax = 100): Rig {
  const clock = virtualClock()
  const shared = memorySharedCache({ clock })
  const kinds = { report: { ttlMs: 1_000, scope: 'stats', ...kind } } as const
  let seed = 0
  const another: Rig['another'] = (change = {}, news) => {
    const options = withCacheDefaults({ kinds, entriesMax, clock, random: seededRandom((seed += 1)) })
    return twoTierCache({ ...shared, ...change }, { ...options, news })
  }
  return { clock, shared, cache: another(), another }
}

/** Tells whoever hears, at once. */
function channelOfAll(): NewsChannel {
  const listeners = new Set<Parameters<NewsChannel['hear']>[0]>()
  return {
    tell(news) {
      for (const listener of listeners) listener(news)
    },
    hear(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: async () => {},
  }
}

describe('a value that is stale', () => {
  test('is served while a new one is loaded, which is served afterwards, on every instance', async () => {
    const { clock, cache, another } = rig({ staleMs: 5_000 })
    const other = another()
    await cache.wrap(address, () => 'old')
    await clock.advanceBy(1_500)
    let loads = 0
    const load = async (): Promise<string> => {
      loads += 1
      await clock.sleep(100)
      return 'new'
    }
    expect([await cache.wrap(address, load), await other.wrap(address, load)]).toEqual(['old', 'old'])
    await clock.advanceBy(200)
    expect([await cache.wrap(address, load), await other.wrap(address, load), loads]).toEqual(['new', 'new', 1])
    expect(cache.stats()).toMatchObject({ stale: 1 })
  })

  test('is served while it cannot be loaded, and no longer than it may', async () => {
    const { clock, cache } = rig({ staleMs: 5_000 })
    await cache.wrap(address, () => 'old')
    const fail = (): Promise<string> => Promise.reject(new Error('the database is away'))
    for (const afterMs of [1_500, 1_000, 1_000]) {
      await clock.advanceBy(afterMs)
      expect(await cache.wrap(address, fail)).toBe('old')
    }
    await clock.advanceBy(5_000)
    await expect(cache.wrap(address, fail)).rejects.toThrow('the database is away')
  })

  test('is not served once it is invalidated, nor is it found by get', async () => {
    const { clock, cache } = rig({ staleMs: 5_000 })
    await cache.wrap(address, () => 'old')
    await clock.advanceBy(1_500)
    expect(await cache.get(address)).toBeUndefined()
    await cache.invalidate(scope)
    expect(await cache.wrap(address, () => 'new')).toBe('new')
  })

  test('and was being loaded anew when it was deleted elsewhere does not come back', async () => {
    const { clock, cache, another } = rig({ staleMs: 5_000 })
    const silent = another({ keep: () => new Promise(() => {}) })
    await cache.wrap(address, () => 'old')
    await clock.advanceBy(1_500)
    const load = async (): Promise<string> => {
      await clock.sleep(100)
      return 'loaded before'
    }
    expect(await clock.runUntil(silent.wrap(address, load))).toBe('old')
    await cache.delete(address)
    await clock.advanceBy(5_000)
    expect(await clock.runUntil(silent.wrap(address, () => 'new'))).toBe('new')
  })
})

test('whoever waits for one load is given a value of their own, unless it is frozen', async () => {
  const { clock, cache } = rig()
  const twice = async <T>(key: string, value: T): Promise<T[]> => {
    const load = (): Promise<T> => clock.sleep(10).then(() => value)
    return clock.runUntil(Promise.all([1, 2].map(() => cache.wrap({ ...address, key }, load))))
  }
  const [one, other] = await twice('date', { at: new Date(0) })
  one?.at.setTime(5)
  expect(other).toEqual({ at: new Date(0) })
  const [first, second] = await twice('plain', { sent: 1 })
  expect([first === second, Object.isFrozen(first)]).toEqual([true, true])
})

test('each read is counted once, also of those that wait for one load, and a load that nobody waits for is none', async () => {
  const { clock, cache } = rig({ staleMs: 5_000 })
  const load = (): Promise<number> => clock.sleep(10).then(() => 1)
  await clock.runUntil(Promise.all([1, 2, 3].map(() => cache.wrap(address, load))))
  expect(cache.stats()).toMatchObject({ hits: 0, misses: 3, loads: 1 })
  await clock.advanceBy(1_500)
  await cache.wrap(address, load)
  await clock.advanceBy(100)
  expect(cache.stats()).toMatchObject({ hits: 1, misses: 3, stale: 1, loads: 2 })
})

test('a stale value that cannot be read is loaded once', async () => {
  const { clock, shared, cache } = rig({ staleMs: 5_000 })
  const body = Buffer.from('nonsense')
  await shared.keep({ ...address, scope: 'stats' }, { body, ttlMs: 10, staleMs: 5_000, id: 'x' })
  await clock.advanceBy(100)
  let loads = 0
  const load = (): number => (loads += 1)
  expect(await cache.wrap(address, load)).toBe(1)
  await clock.advanceBy(1_000)
  expect([loads, cache.stats().loads]).toEqual([1, 1])
})

describe('time', () => {
  test('to live is up to a tenth less, so that values that were loaded together do not end together', async () => {
    const { clock, cache } = rig()
    for (let key = 0; key < 100; key += 1) await cache.wrap({ ...address, key: String(key) }, () => key)
    const left = async (): Promise<number> => {
      const all = Array.from({ length: 100 }, (_, key) => cache.get({ ...address, key: String(key) }))
      return (await Promise.all(all)).filter((value) => value !== undefined).length
    }
    await clock.advanceBy(899)
    expect(await left()).toBe(100)
    await clock.advanceBy(51)
    const half = await left()
    expect(half > 25 && half < 75).toBe(true)
    await clock.advanceBy(51)
    expect(await left()).toBe(0)
  })

  test('for which it is remembered that there is nothing can be another one', async () => {
    const { clock, cache } = rig({ absentTtlMs: 100 })
    let loads = 0
    const find = (): null => {
      loads += 1
      return null
    }
    for (let read = 0; read < 3; read += 1) expect(await cache.wrap(address, find)).toBeNull()
    expect(loads).toBe(1)
    await clock.advanceBy(101)
    await cache.wrap(address, find)
    expect(loads).toBe(2)
  })

  test('that it took to hear of a shared value is taken off', async () => {
    const { clock, cache, shared, another } = rig()
    await cache.set(address, 'old', { ttlMs: 1_000 })
    const slow = another({
      async find(place, lease) {
        const found = await shared.find(place, lease)
        await clock.sleep(40)
        return found
      },
    })
    await clock.advanceBy(880)
    expect(await clock.runUntil(slow.get(address))).toBe('old')
    await clock.advanceBy(85)
    expect(await clock.runUntil(slow.get(address))).toBeUndefined()
  })
})

describe('what was sent before a change and arrives after it is not kept', () => {
  test('when a get was under way as the value was set here', async () => {
    const { clock, cache, shared, another } = rig()
    await cache.set(address, 'old')
    const slow = another({
      async find(place, lease) {
        const found = await shared.find(place, lease)
        await clock.sleep(40)
        return found
      },
    })
    const read = slow.get(address)
    await clock.settle()
    await slow.set(address, 'new')
    expect(await clock.runUntil(read)).toBe('old')
    expect(await slow.get(address)).toBe('new')
  })

  test('when it was driven out here while it was being set, and read from the shared tier', async () => {
    const { clock, cache, shared, another } = rig({}, 1)
    const other = { ...address, key: 'other' }
    await cache.set(address, 'old')
    await cache.set(other, 'other')
    const slow = another({
      async keep(place, kept) {
        await clock.sleep(40)
        return shared.keep(place, kept)
      },
    })
    const set = slow.set(address, 'new')
    await clock.settle()
    expect([await slow.get(other), await slow.get(address)]).toEqual(['other', 'old'])
    await clock.runUntil(set)
    expect(await slow.get(address)).toBe('new')
  })

  test('when it was told of on the other way before the shared tier did it', async () => {
    const { clock, cache, shared, another } = rig()
    const channel = channelOfAll()
    const teller = another(
      {
        async invalidate(news) {
          await clock.sleep(40)
          await shared.invalidate(news)
        },
      },
      channel,
    )
    const hearer = another({}, channel)
    await cache.set(address, 'old')
    expect(await hearer.get(address)).toBe('old')
    const told = teller.invalidate(scope)
    await clock.settle()
    expect(await hearer.get(address)).toBe('old')
    await clock.runUntil(told)
    expect(await hearer.get(address)).toBeUndefined()
  })

  test('when the shared tier did it late, after it was given up and told of on the other way', async () => {
    const { clock, cache, shared, another } = rig()
    const channel = channelOfAll()
    const late = async (news: Parameters<SharedCache['invalidate']>[0]): Promise<void> => {
      await clock.sleep(500)
      await shared.invalidate(news)
    }
    const [teller, hearer] = [another({ invalidate: late }, channel), another({}, channel)]
    await cache.set(address, 'old')
    await expect(clock.runUntil(teller.invalidate(scope))).rejects.toBeInstanceOf(UnavailableError)
    expect([await hearer.get(address), await teller.get(address)]).toEqual(['old', 'old'])
    await clock.advanceBy(500)
    expect([await hearer.get(address), await teller.get(address)]).toEqual([undefined, undefined])
  })
})

describe('a load', () => {
  test('that was invalidated keeps nobody waiting who asks afterwards', async () => {
    const { clock, cache, another } = rig()
    const stuck = cache.wrap(address, () => new Promise<string>(() => {}))
    stuck.catch(() => {})
    await clock.advanceBy(100)
    const other = another()
    await other.invalidate(scope)
    const startedAt = clock.monotonic()
    expect(await clock.runUntil(other.wrap(address, () => 'new'))).toBe('new')
    expect(clock.monotonic() - startedAt).toBe(0)
  })

  test('of another instance is waited for, and not for ever', async () => {
    const { clock, cache, another } = rig()
    cache.wrap(address, () => new Promise<string>(() => {})).catch(() => {})
    await clock.advanceBy(100)
    const startedAt = clock.monotonic()
    expect(await clock.runUntil(another().wrap(address, () => 'own'))).toBe('own')
    expect(clock.monotonic() - startedAt).toBeGreaterThan(1_900)
    expect(clock.monotonic() - startedAt).toBeLessThanOrEqual(2_000)
  })

  test('of more keys than there may be entries is refused', async () => {
    const { clock, cache } = rig({}, 3)
    const all = Array.from({ length: 4 }, (_, key) => {
      const read = cache.wrap({ ...address, key: String(key) }, () => clock.sleep(10))
      return read.catch((error: unknown) => error)
    })
    const ends = await clock.runUntil(Promise.all(all))
    expect(ends.filter((end) => end instanceof OverCapacityError)).toHaveLength(1)
  })
})

describe('a shared tier that does not answer', () => {
  const hang = (): Promise<never> => new Promise<never>(() => {})

  test('costs the deadline, then nothing, and is asked again', async () => {
    const { clock, another } = rig()
    const cache = another({ find: hang, keep: hang })
    const took: number[] = []
    for (let key = 0; key < 10; key += 1) {
      const startedAt = clock.monotonic()
      await clock.runUntil(cache.wrap({ ...address, key: String(key) }, () => key))
      took.push(clock.monotonic() - startedAt)
    }
    expect(took).toEqual([50, 50, 50, 0, 0, 0, 0, 0, 0, 0])
    expect(cache.stats().tiers.shared.unanswered).toBe(10)
  })

  test('costs a load the deadline in all, also when it gives the lease late and then keeps nothing', async () => {
    const { clock, shared, another } = rig()
    const cache = another({
      async find(place, lease) {
        await clock.sleep(40)
        return shared.find(place, lease)
      },
      keep: hang,
    })
    await clock.settle()
    const startedAt = clock.monotonic()
    expect(await clock.runUntil(cache.wrap(address, () => 'new'))).toBe('new')
    expect(clock.monotonic() - startedAt).toBe(50)
    expect(await cache.wrap(address, () => 'other')).toBe('new')
  })

  test('keeps what it was given when nobody waits for that any more', async () => {
    const { clock, cache, shared, another } = rig()
    const slow = another({
      async find(place, lease) {
        await clock.sleep(30)
        return shared.find(place, lease)
      },
      async keep(place, kept) {
        await clock.sleep(30)
        return shared.keep(place, kept)
      },
    })
    const startedAt = clock.monotonic()
    expect(await clock.runUntil(slow.wrap(address, () => 'once'))).toBe('once')
    expect(clock.monotonic() - startedAt).toBe(50)
    expect(await clock.runUntil(cache.wrap(address, () => 'twice'))).toBe('once')
  })

  test('and gives a lease when that was given up keeps no other instance waiting', async () => {
    const { clock, cache, shared, another } = rig()
    const slow = another({
      async find(place, lease) {
        const found = await shared.find(place, lease)
        await clock.sleep(60)
        return found
      },
    })
    expect(await clock.runUntil(slow.wrap(address, () => 'alone'))).toBe('alone')
    await clock.advanceBy(20)
    const startedAt = clock.monotonic()
    expect(await clock.runUntil(cache.wrap(address, () => 'new'))).toBe('new')
    expect(clock.monotonic() - startedAt).toBe(0)
  })

  test('cannot be told, which is said; here it is gone all the same', async () => {
    const { clock, cache, another } = rig()
    await cache.set(address, 'old')
    const cut = another({ invalidate: hang, remove: hang })
    const noted = { ...address, key: 'noted' }
    for (const change of [() => cut.invalidate(scope), () => cut.delete(noted)]) {
      await clock.runUntil(cut.set(noted, 'old'))
      const before = cut.stats().tiers.local.hits
      await expect(clock.runUntil(change())).rejects.toBeInstanceOf(UnavailableError)
      await cut.get(noted)
      expect(cut.stats().tiers.local.hits).toBe(before)
    }
  })
})
