import { createSwitchgear, memoryLog, type Breaker } from 'switchgear'
import { seededRandom, virtualClock } from 'switchgear/testing'
import { describe, expect, test } from 'vitest'
import { allOf, fail, fleetOf, nth, ok, oneInstance } from './fleet-of.ts'
import { play } from './play.ts'

const ann = { by: 'ann', reason: 'the relay is being replaced' }
const options = { failureThreshold: 2, recoveryBackoff: { jitter: 'none' } } as const

const modes = (breakers: readonly Breaker[]) => breakers.map(({ state }) => state.mode)

describe('an order', () => {
  test('to force open refuses every call on every instance, also of a healthy dependency, until it is released', async () => {
    const { clock, gears, seen } = await fleetOf(3)
    const smtps = gears.map((gear) => gear.breaker('smtp', options))
    await clock.runUntil(nth(smtps, 0).forceOpen(ann))
    await clock.settle()
    for (const smtp of smtps) {
      await expect(smtp.run(ok)).rejects.toMatchObject({
        mode: 'forcedOpen',
        retryAfterMs: Infinity,
        retryAt: Infinity,
      })
      expect(smtp.state).toMatchObject({ mode: 'forcedOpen', term: 1, ...ann })
    }
    await clock.advanceBy(86_400_000)
    expect(modes(smtps)).toEqual(['forcedOpen', 'forcedOpen', 'forcedOpen'])
    await clock.runUntil(nth(smtps, 2).release({ by: 'bob', reason: 'replaced' }))
    await clock.settle()
    expect(modes(smtps)).toEqual(['closed', 'closed', 'closed'])
    for (const transitions of seen) {
      expect(transitions).toMatchObject([
        { from: 'closed', to: 'forcedOpen', scope: 'fleet', ...ann, term: 1 },
        { from: 'forcedOpen', to: 'closed', scope: 'fleet', by: 'bob', reason: 'replaced', term: 2 },
      ])
    }
    expect(nth(smtps, 1).state).toMatchObject({ by: 'bob', reason: 'replaced' })
  })

  test('to disable lets every call through and counts nothing, also of an open breaker', async () => {
    const { clock, gears } = await fleetOf(2)
    const smtps = gears.map((gear) => gear.breaker('smtp', options))
    await play(nth(smtps, 0), clock, 'F*2 +100')
    await clock.runUntil(nth(smtps, 0).disable(ann))
    await clock.settle()
    for (const smtp of smtps) {
      for (let call = 0; call < 20; call++) await smtp.run(fail).catch(() => {})
      const permit = smtp.tryAcquire()
      if ('failure' in permit) permit.failure()
      expect(await smtp.run(ok)).toBe('ok')
      expect(smtp.state).toMatchObject({ mode: 'disabled', counts: { calls: 0, failures: 0 } })
    }
    await clock.runUntil(nth(smtps, 1).release(ann))
    await clock.settle()
    expect(modes(smtps)).toEqual(['closed', 'closed'])
    expect(await play(nth(smtps, 0), clock, 'F*2')).toEqual(['closed', 'open'])
  })

  test.each(['forceOpen', 'disable'] as const)(
    'to %s for a time is over by itself, on all instances, without calls',
    async (kind) => {
      const { clock, gears } = await fleetOf(3)
      const smtps = gears.map((gear) => gear.breaker('smtp', options))
      await clock.runUntil(nth(smtps, 1)[kind]({ ...ann, forMs: 5_000 }))
      await clock.settle()
      const mode = kind === 'disable' ? 'disabled' : 'forcedOpen'
      expect(nth(smtps, 0).state).toMatchObject({ mode, retryAt: clock.now() + 5_000 })
      await clock.advanceBy(4_999)
      expect(modes(smtps)).toEqual([mode, mode, mode])
      await clock.advanceBy(60)
      expect(modes(smtps)).toEqual(['closed', 'closed', 'closed'])
      expect(nth(smtps, 2).state.term).toBe(2)
      const told = await allOf(nth(smtps, 0).history())
      expect(told.filter(({ accepted }) => accepted).map(({ event }) => event.to)).toEqual(['closed', mode])
    },
  )

  test('that ended while nobody had the breaker stands until the first who asks for it tells the fleet so', async () => {
    const { clock, gears } = await fleetOf(2)
    const [a, b] = [nth(gears, 0), nth(gears, 1)]
    await clock.runUntil(a.breaker('smtp').forceOpen({ ...ann, forMs: 5_000 }))
    await a.close()
    await clock.advanceBy(60_000)
    expect(b.states().get('smtp')).toMatchObject({ mode: 'forcedOpen', retryAt: clock.now() })
    const smtp = b.breaker('smtp')
    await expect(smtp.run(ok)).rejects.toMatchObject({ mode: 'forcedOpen', retryAfterMs: 100 })
    await clock.advanceBy(100)
    expect(await smtp.run(ok)).toBe('ok')
    expect(b.states().get('smtp')).toMatchObject({ mode: 'closed', reason: 'the order is over', term: 2 })
  })

  test('refused with a time says how long', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await clock.runUntil(smtp.forceOpen({ ...ann, forMs: 90_000 }))
    await clock.advanceBy(30_000)
    await expect(smtp.run(ok)).rejects.toMatchObject({
      retryAfterMs: 60_000,
      message:
        'breaker "smtp" is forced open for another 60 s (the relay is being replaced, ordered by ann); calls are refused',
    })
  })

  test('replaces the one before, with a term of its own, and names who gave it and when', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await clock.runUntil(smtp.forceOpen({ ...ann, forMs: 5_000 }))
    await clock.advanceBy(1_000)
    await clock.runUntil(smtp.forceOpen({ by: 'bob', reason: 'still broken' }))
    expect(smtp.state).toMatchObject({
      mode: 'forcedOpen',
      term: 2,
      by: 'bob',
      reason: 'still broken',
      sinceAt: clock.now(),
    })
    await clock.advanceBy(60_000)
    expect(smtp.state).toMatchObject({ mode: 'forcedOpen', by: 'bob' })
    await clock.runUntil(smtp.disable({ by: 'cid', reason: 'let it through' }))
    expect(smtp.state).toMatchObject({ mode: 'disabled', term: 3, by: 'cid' })
  })

  test('of the longest duration there is never asks for a timer that Node would end at once', async () => {
    const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
    const delays: number[] = []
    const recording = {
      ...clock,
      setTimeout(run: () => void, delayMs: number) {
        delays.push(delayMs)
        return clock.setTimeout(run, delayMs)
      },
    }
    const gear = createSwitchgear({ clock: recording, random: seededRandom(1), log: memoryLog({ clock }) })
    const smtp = gear.breaker('smtp', options)
    await clock.runUntil(smtp.forceOpen({ ...ann, forMs: 2 ** 31 - 1 }))
    await clock.advanceBy(2 ** 31 - 100)
    expect(smtp.state.mode).toBe('forcedOpen')
    await clock.advanceBy(200)
    expect(smtp.state.mode).toBe('closed')
    expect(Math.max(...delays)).toBeLessThanOrEqual(2 ** 31 - 1)
    await gear.close()
  })

  test('to release, without one standing, changes nothing and is no error', async () => {
    const { clock, gear, seen } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await clock.runUntil(smtp.release(ann))
    await play(smtp, clock, 'F*2 +100')
    await clock.runUntil(smtp.release(ann))
    expect(smtp.state.mode).toBe('open')
    expect(seen.filter(({ scope }) => scope === 'fleet')).toHaveLength(1)
  })

  test('ends a half-open state and the probe that is under way, whose result is worth nothing', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*2 +60100')
    const probe = smtp.run(() => clock.sleep(5_000))
    await clock.advanceBy(100)
    expect(smtp.state.mode).toBe('halfOpen')
    await clock.runUntil(smtp.forceOpen(ann))
    await clock.runUntil(probe)
    await clock.settle()
    expect(smtp.state).toMatchObject({ mode: 'forcedOpen', term: 2 })
  })

  test('is not undone by an instance that trips: a trip under it is none', async () => {
    const { clock, gears } = await fleetOf(2)
    const [a, b] = gears.map((gear) => gear.breaker('smtp', options))
    if (a === undefined || b === undefined) throw new Error('no instance')
    await play(a, clock, 'F*2')
    await clock.runUntil(b.disable(ann))
    await clock.advanceBy(1_000)
    expect(modes([a, b])).toEqual(['disabled', 'disabled'])
    expect(await a.run(ok)).toBe('ok')
  })

  test.each([
    [{}, 'order.by'],
    [{ by: '', reason: 'x' }, 'order.by'],
    [{ by: 'ann' }, 'order.reason'],
    [{ by: 'ann', reason: '' }, 'order.reason'],
    [{ by: 'ann', reason: 'x'.repeat(513) }, 'order.reason'],
    [{ by: 'ann', reason: 'x', forMs: 0 }, 'order.forMs'],
    [{ by: 'ann', reason: 'x', forMs: -1 }, 'order.forMs'],
    [{ by: 'ann', reason: 'x', forMs: Infinity }, 'order.forMs'],
    [{ by: 'ann', reason: 'x', forMs: '5s' }, 'order.forMs'],
    [{ by: 'ann', reason: 'x', until: 5 }, 'order.until'],
  ])('of the wrong shape, %j, is refused with its place', async (order, path) => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await expect(smtp.forceOpen(order as never)).rejects.toMatchObject({ code: 'SWITCHGEAR_CONFIG', path })
    expect(smtp.state.mode).toBe('closed')
  })

  test('without an end may say so by an undefined, as any other option', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await clock.runUntil(smtp.forceOpen({ ...ann, forMs: undefined }))
    await expect(smtp.run(ok)).rejects.toMatchObject({ mode: 'forcedOpen', retryAfterMs: Infinity })
    expect(await allOf(smtp.history({ limit: undefined }))).toHaveLength(1)
  })

  test.each([
    ['in ASCII', 'x', 128, 512],
    ['in Chinese', '漢', 42, 170],
    ['full of quotes', '"', 64, 256],
    ['full of control characters', '\u0000', 21, 85],
  ])('with the longest name and reason that are allowed fits into the log, %s', async (_script, letter, by, reason) => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('漢'.repeat(128), options)
    const order = { by: letter.repeat(by), reason: letter.repeat(reason) }
    await clock.runUntil(smtp.forceOpen(order))
    await clock.runUntil(smtp.forceOpen(order))
    expect(smtp.state).toMatchObject({ mode: 'forcedOpen', term: 2, ...order })
    await clock.runUntil(smtp.release(order))
    expect(smtp.state).toMatchObject({ mode: 'closed' })
    const longer = { by: `${order.by}${letter}`, reason: order.reason }
    await expect(smtp.forceOpen(longer)).rejects.toMatchObject({ path: 'order.by' })
    await expect(smtp.forceOpen({ ...order, reason: `${order.reason}${letter}` })).rejects.toMatchObject({
      path: 'order.reason',
    })
  })
})
