import { createSwitchgear, type Breaker } from 'switchgear'
import { describe, expect, test } from 'vitest'
import { fail, ok, oneInstance } from '../machines/fleet-of.ts'
import { play } from '../machines/play.ts'

const once = { failureThreshold: 1, recoveryBackoff: { jitter: 'none' } } as const

describe('a name', () => {
  test('asked for twice gives the same breaker', async () => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { failureThreshold: 3 })
    expect(gear.breaker('smtp')).toBe(smtp)
    expect(gear.breaker('smtp', { failureThreshold: 3 })).toBe(smtp)
    expect(gear.breakers.get('smtp')).toBe(smtp)
    expect([...gear.breakers.keys()]).toEqual(['smtp'])
  })

  test('asked for with the defaults written out gives the same breaker as without options', async () => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp')
    expect(gear.breaker('smtp', { failureThreshold: 5, quorum: 1, probe: { leaseMs: 30_000 } })).toBe(smtp)
  })

  test.each([
    [{ failureThreshold: 3 }, { failureThreshold: 4 }],
    [{}, { recoveryTimeoutMs: 1 }],
    [{ judge: () => 'ignored' as const }, { judge: () => 'ignored' as const }],
    [{}, { probe: { check: ok } }],
  ])('made with %j and asked for with %j is refused with its place', async (made, asked) => {
    const { gear } = await oneInstance()
    gear.breaker('smtp', made)
    expect(() => gear.breaker('smtp', asked)).toThrow(
      expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path: 'breakers.smtp' }),
    )
  })

  test('takes its options from `breakers`, and those without an entry from `default`', async () => {
    const { clock, gear } = await oneInstance({
      breakers: { default: { failureThreshold: 2 }, smtp: { failureThreshold: 1 } },
    })
    expect([...gear.breakers.keys()]).toEqual(['smtp'])
    expect(await play(gear.breaker('smtp'), clock, 'F')).toEqual(['open'])
    expect(await play(gear.breaker('slack'), clock, 'F*2')).toEqual(['closed', 'open'])
    expect(await play(gear.breaker('hook', { failureThreshold: 3 }), clock, 'F*3')).toEqual([
      'closed',
      'closed',
      'open',
    ])
  })

  test.each(['', 'x'.repeat(129), '\ud800', 7, null, undefined])('of %j is refused', async (name) => {
    const { gear } = await oneInstance()
    expect(() => gear.breaker(name as string)).toThrow(
      expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path: 'breaker' }),
    )
  })

  test.each(['a.b*>', '漢字', ' ', 'toString', '__proto__', 'constructor', 'x'.repeat(128)])(
    'of %j is a name like any other',
    async (name) => {
      const { clock, gear } = await oneInstance()
      const breaker = gear.breaker(name, once)
      await play(breaker, clock, 'F +100')
      expect(breaker.state).toMatchObject({ mode: 'open', scope: 'fleet' })
      expect(gear.breaker(name)).toBe(breaker)
      expect(await gear.breaker('other').run(ok)).toBe('ok')
    },
  )
})

describe('with breakersMax 3', () => {
  const full = async () => {
    const { clock, gear } = await oneInstance({ breakersMax: 3, breakers: { default: once } })
    const breakers = ['one', 'two', 'three'].map((name) => gear.breaker(name))
    return { clock, gear, breakers, one: gear.breaker('one'), two: gear.breaker('two'), three: gear.breaker('three') }
  }

  test('the longest known idle closed one makes room', async () => {
    const { gear } = await full()
    gear.breaker('four')
    expect([...gear.breakers.keys()]).toEqual(['two', 'three', 'four'])
  })

  test('one that is open, has a streak or an order does not', async () => {
    const { clock, gear, one, three } = await full()
    await play(one, clock, 'F +100')
    await clock.runUntil(three.disable({ by: 'ann', reason: 'x' }))
    gear.breaker('four')
    expect([...gear.breakers.keys()].toSorted()).toEqual(['four', 'one', 'three'])
  })

  test('a fourth one is refused when none is idle, and nothing changes', async () => {
    const { clock, gear, breakers } = await full()
    for (const breaker of breakers) await play(breaker, clock, 'F')
    expect(() => gear.breaker('four')).toThrow(
      expect.objectContaining({ code: 'SWITCHGEAR_OVER_CAPACITY', bound: 'breakersMax', max: 3, retryable: true }),
    )
    expect([...gear.breakers.keys()].toSorted()).toEqual(['one', 'three', 'two'])
    expect(breakers.map(({ state }) => state.mode)).toEqual(['open', 'open', 'open'])
  })

  test('one with a streak makes room once it has counted nothing for a minute', async () => {
    const { clock, gear } = await oneInstance({ breakersMax: 2, breakers: { default: { failureThreshold: 3 } } })
    for (const name of ['one', 'two']) await play(gear.breaker(name), clock, 'F')
    expect(() => gear.breaker('three')).toThrow(expect.objectContaining({ bound: 'breakersMax' }))
    await clock.advanceBy(59_000)
    expect(() => gear.breaker('three')).toThrow(expect.objectContaining({ bound: 'breakersMax' }))
    await clock.advanceBy(1_000)
    gear.breaker('three')
    expect([...gear.breakers.keys()]).toEqual(['two', 'three'])
  })

  test('one that made room still works through its old reference, in every way', async () => {
    const { clock, gear, one } = await full()
    gear.breaker('four')
    expect(gear.breakers.has('one')).toBe(false)
    expect(await one.run(ok)).toBe('ok')
    expect(gear.breakers.has('one')).toBe(true)
    expect(await one.wrap(ok)()).toBe('ok')
    const permit = one.tryAcquire()
    expect('success' in permit).toBe(true)
    await one.run(fail).catch(() => {})
    await expect(one.run(ok)).rejects.toMatchObject({ code: 'SWITCHGEAR_BREAKER_OPEN' })
    expect(one.state).toMatchObject({ mode: 'open', reason: 'failureThreshold' })
    await clock.advanceBy(100)
    expect(one.state).toMatchObject({ mode: 'open', scope: 'fleet', term: 1 })
    expect(gear.breaker('one').state.mode).toBe('open')
    await clock.runUntil(one.forceOpen({ by: 'ann', reason: 'x' }))
    expect(one.state.mode).toBe('forcedOpen')
  })

  test('one that made room is watched through its old reference as well', async () => {
    const { clock, gear, one } = await full()
    const modes: string[] = []
    one.state$.subscribe(({ mode }) => modes.push(mode))
    gear.breaker('four')
    await one.run(fail).catch(() => {})
    await clock.advanceBy(100)
    expect(modes).toEqual(['closed', 'open', 'open'])
  })

  test('the state of one that made room can be read without taking room again', async () => {
    const { gear, one } = await full()
    gear.breaker('four')
    expect(one.state).toMatchObject({ mode: 'closed' })
    expect(gear.breakers.has('one')).toBe(false)
  })

  test('its outcomes under way do not count, and its permits end quietly', async () => {
    const { gear, one } = await full()
    const permit = one.tryAcquire()
    gear.breaker('four')
    if ('failure' in permit) permit.failure()
    expect(one.state.mode).toBe('closed')
  })

  test('ten thousand names pass through', async () => {
    const { gear } = await full()
    const first: Breaker = gear.breaker('name 0')
    for (let at = 1; at < 10_000; at++) await gear.breaker(`name ${at}`).run(ok)
    expect(gear.breakers.size).toBe(3)
    expect(await first.run(ok)).toBe('ok')
  })
})

test('10,000 breakers are kept unless told otherwise', async () => {
  const gear = createSwitchgear()
  for (let at = 0; at < 10_001; at++) gear.breaker(`name ${at}`)
  expect(gear.breakers.size).toBe(10_000)
  await gear.close()
})
