import { expect, test } from 'vitest'
import { createSwitchgear, memoryCache } from '../../src/index.ts'
import { redisCache } from '../../src/redis.ts'

const address = { organization: 'acme', kind: 'stats', key: 'day' }

test('an instance caches in memory unless it is given a cache', async () => {
  const gear = createSwitchgear()
  let loads = 0
  const load = (): number => (loads += 1)
  expect([await gear.cache.wrap(address, load), await gear.cache.wrap(address, load)]).toEqual([1, 1])
  await gear.cache.invalidate({ organization: 'acme', scope: 'stats' })
  expect(await gear.cache.wrap(address, load)).toBe(2)
  await gear.close()
})

test('a cache is closed when the last instance that uses it closes', async () => {
  let closed = 0
  const cache = { ...memoryCache(), close: async () => void (closed += 1) }
  const [one, other] = [createSwitchgear({ cache }), createSwitchgear({ cache })]
  await one.close()
  await one.close()
  expect(closed).toBe(0)
  await other.close()
  expect(closed).toBe(1)
})

test('a cache of another fleet is not meant for this one, and what is no cache is refused', async () => {
  const cache = redisCache({ url: 'redis://127.0.0.1:1', fleet: 'alerts' })
  const refusal = expect.objectContaining({ name: 'ConfigError', path: 'cache' }) as Error
  expect(() => createSwitchgear({ cache })).toThrow(refusal)
  const gear = createSwitchgear({ cache, fleet: 'alerts' })
  expect(await gear.cache.wrap(address, () => 7)).toBe(7)
  await gear.close()
  const map: object = new Map()
  expect(() => createSwitchgear({ cache: map as typeof cache })).toThrow(refusal)
})

test('what is no address is refused by a promise, as is what cannot be asked for', async () => {
  const cache = memoryCache()
  const nothing: unknown = null
  for (const wrong of [nothing as typeof address, { ...address, kind: 'unknown' }, { ...address, key: '' }]) {
    await expect(cache.get(wrong)).rejects.toThrow()
    await expect(cache.wrap(wrong, () => 1)).rejects.toThrow()
  }
  const cached = cache.cached({ kind: 'stats', organization: () => '', key: () => 'day' }, () => 1)
  await expect(cached()).rejects.toMatchObject({ name: 'ConfigError', path: 'organization' })
})
