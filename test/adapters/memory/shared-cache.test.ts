import { describe, expect, test } from 'vitest'
import { memorySharedCache } from '../../../src/adapters/memory/shared-cache.ts'
import type { CacheNews, CachePlace, Found } from '../../../src/ports/cache.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

const place: CachePlace = { organization: 'acme', kind: 'report', key: 'day', scope: 'stats' }
const { organization, kind, key } = place
const [old, fresh] = [Buffer.from('old'), Buffer.from('new')]
const life = { ttlMs: 1_000, staleMs: 0 }
const lease = (by: string, leaseMs = 500) => ({ by, leaseMs })

function tierOnVirtualClock() {
  const clock = virtualClock()
  return { clock, tier: memorySharedCache({ clock }) }
}

function fenceOf(found: Found): string {
  return found.status === 'lead' ? found.fence : expect.unreachable(`it found ${found.status}`)
}

describe('a shared tier in memory', () => {
  test('has a value for as long as it is fresh, says for how long, and not a millisecond longer', async () => {
    const { clock, tier } = tierOnVirtualClock()
    expect(await tier.keep(place, { body: old, ...life, id: '1' })).toBe(true)
    await clock.advanceBy(999)
    expect(await tier.find(place)).toEqual({ status: 'hit', value: { body: old, freshForMs: 1 } })
    await clock.advanceBy(1)
    expect(await tier.find(place)).toEqual({ status: 'miss' })
    expect(await tier.find(place, lease('one'))).toMatchObject({ status: 'lead', stale: undefined })
  })

  test('has a value that is stale for who loads it, and who waits, until it may not be served any more', async () => {
    const { clock, tier } = tierOnVirtualClock()
    await tier.keep(place, { body: old, ttlMs: 1_000, staleMs: 2_000, id: '1' })
    await clock.advanceBy(2_999)
    const stale = { body: old, freshForMs: 0 }
    expect(await tier.find(place)).toEqual({ status: 'miss' })
    expect(await tier.find(place, lease('one'))).toMatchObject({ status: 'lead', stale })
    expect(await tier.find(place, lease('two'))).toEqual({ status: 'wait', stale })
    await clock.advanceBy(1)
    expect(await tier.find(place, lease('one'))).toMatchObject({ status: 'lead', stale: undefined })
    expect(await tier.find(place, lease('two'))).toEqual({ status: 'wait', stale: undefined })
  })

  test('gives a lease to one until it is over, and what its holder keeps afterwards is not kept', async () => {
    const { clock, tier } = tierOnVirtualClock()
    const fence = fenceOf(await tier.find(place, lease('one')))
    await clock.advanceBy(499)
    expect(await tier.find(place, lease('two'))).toEqual({ status: 'wait', stale: undefined })
    await clock.advanceBy(1)
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'one', fence } })).toBe(false)
    expect(fenceOf(await tier.find(place, lease('two')))).toBe(fence)
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'one', fence } })).toBe(false)
    expect(await tier.keep(place, { body: fresh, ...life, load: { by: 'two', fence } })).toBe(true)
    expect(await tier.find(place, lease('one'))).toMatchObject({ status: 'hit', value: { body: fresh } })
  })

  test('prolongs the lease of its holder alone, and ends it when that is asked for', async () => {
    const { clock, tier } = tierOnVirtualClock()
    await tier.find(place, lease('one'))
    await tier.renew(place, lease('two', 0))
    await tier.renew(place, lease('one', 800))
    await clock.advanceBy(799)
    expect(await tier.find(place, lease('two'))).toMatchObject({ status: 'wait' })
    await tier.renew(place, lease('one', 0))
    expect(await tier.find(place, lease('two'))).toMatchObject({ status: 'lead' })
    await clock.advanceBy(500)
    await tier.renew(place, lease('two', 800))
    expect(await tier.find(place, lease('three'))).toMatchObject({ status: 'lead' })
  })

  test.each(['all', 'stats'] as const)('forgets values and leases of before an invalidation of %s', async (scope) => {
    const { tier } = tierOnVirtualClock()
    await tier.keep(place, { body: old, ...life, id: '1' })
    await tier.invalidate({ id: '2', organization, scope })
    expect(await tier.find(place)).toEqual({ status: 'miss' })
    const fence = fenceOf(await tier.find(place, lease('one')))
    await tier.invalidate({ id: '3', organization, scope })
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'one', fence } })).toBe(false)
    const next = fenceOf(await tier.find(place, lease('two')))
    expect(next).not.toBe(fence)
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'two', fence } })).toBe(false)
    expect(await tier.keep(place, { body: fresh, ...life, load: { by: 'two', fence: next } })).toBe(true)
  })

  test('keeps what another scope, another organization or another key has', async () => {
    const { tier } = tierOnVirtualClock()
    const others: readonly CachePlace[] = [
      { ...place, organization: 'globex' },
      { ...place, scope: 'counts', kind: 'counts' },
    ]
    for (const other of others) await tier.keep(other, { body: old, ...life, id: '1' })
    await tier.invalidate({ id: '2', organization, scope: 'stats' })
    for (const other of others) expect(await tier.find(other)).toMatchObject({ status: 'hit', value: { body: old } })
    expect(await tier.find({ ...place, organization: 'globex', key: 'week' })).toEqual({ status: 'miss' })
    expect(await tier.find({ ...place, organization: 'globex', kind: 'other' })).toEqual({ status: 'miss' })
  })

  test('does not bring back by a load what was removed or written meanwhile', async () => {
    const { tier } = tierOnVirtualClock()
    await tier.keep(place, { body: old, ...life, id: '1' })
    await tier.remove(place, '2')
    expect(await tier.find(place)).toEqual({ status: 'miss' })
    const first = fenceOf(await tier.find(place, lease('one')))
    await tier.remove(place, '3')
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'one', fence: first } })).toBe(false)
    const second = fenceOf(await tier.find(place, lease('two')))
    await tier.keep(place, { body: fresh, ...life, id: '4' })
    expect(await tier.keep(place, { body: old, ...life, load: { by: 'two', fence: second } })).toBe(false)
    expect(await tier.find(place)).toMatchObject({ status: 'hit', value: { body: fresh } })
  })

  test('keeps 10,000 values, and drops those that were kept first', async () => {
    const { tier } = tierOnVirtualClock()
    const keyed = (n: number): CachePlace => ({ ...place, key: `${n}` })
    for (let n = 0; n < 10_000; n += 1) await tier.keep(keyed(n), { body: old, ...life, id: '1' })
    await tier.keep(keyed(0), { body: fresh, ...life, id: '1' })
    expect(await tier.find(keyed(1))).toMatchObject({ status: 'hit' })
    await tier.keep(keyed(10_000), { body: old, ...life, id: '1' })
    const found = await Promise.all([0, 1, 2, 10_000].map((n) => tier.find(keyed(n))))
    expect(found.map(({ status }) => status)).toEqual(['hit', 'miss', 'hit', 'hit'])
  })

  test('tells who follows of the link and of every change, from a turn of its own, until they stop', async () => {
    const { tier } = tierOnVirtualClock()
    const heard: (CacheNews | boolean)[] = []
    const follower = { onNews: (news: CacheNews) => heard.push(news), onLink: (isUp: boolean) => heard.push(isUp) }
    const stop = tier.follow(follower)
    expect(heard).toEqual([])
    await Promise.resolve()
    expect(heard.splice(0)).toEqual([true])
    const kept = tier.keep(place, { body: old, ...life, id: '1' })
    expect(heard).toEqual([])
    await kept
    const fence = fenceOf(await tier.find({ ...place, key: 'week' }, lease('one')))
    await tier.keep({ ...place, key: 'week' }, { body: old, ...life, load: { by: 'one', fence } })
    await tier.remove(place, '2')
    await tier.invalidate({ id: '3', organization, scope: 'all' })
    expect(heard.splice(0)).toEqual([
      { id: '1', organization, kind, key },
      { id: '2', organization, kind, key },
      { id: '3', organization, scope: 'all' },
    ])
    const removed = tier.remove(place, '4')
    stop()
    await removed
    tier.follow(follower)()
    await Promise.resolve()
    expect(heard).toEqual([])
  })
})
