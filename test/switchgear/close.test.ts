import { createSwitchgear, memoryLog, type BreakerOptions, type Switchgear } from 'switchgear'
import { seededRandom, virtualClock, type VirtualClock } from 'switchgear/testing'
import { describe, expect, test } from 'vitest'
import { fail, fleetOf, hang, nth, ok } from '../machines/fleet-of.ts'
import { ownFault, play } from '../machines/play.ts'

const options: BreakerOptions = { failureThreshold: 1, recoveryBackoff: { jitter: 'none' } }

async function instance(
  latencyMs?: { readonly min: number; readonly max: number },
  breakers: BreakerOptions = options,
): Promise<{ readonly clock: VirtualClock; readonly gear: Switchgear }> {
  const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
  const random = seededRandom(1)
  const log = memoryLog({ clock, random, ...(latencyMs && { latencyMs }) })
  const gear = createSwitchgear({ clock, random, log, breakers: { default: breakers } })
  await clock.runUntil(gear.ready())
  return { clock, gear }
}

describe('after close', () => {
  test('run rejects with ClosedError, tryAcquire refuses, orders reject, a new breaker is refused', async () => {
    const { gear } = await instance()
    const smtp = gear.breaker('smtp')
    await gear.close()
    let called = 0
    await expect(smtp.run(() => called++)).rejects.toMatchObject({ code: 'SWITCHGEAR_CLOSED', retryable: false })
    await expect(smtp.wrap(async () => called++)()).rejects.toMatchObject({ code: 'SWITCHGEAR_CLOSED' })
    expect(smtp.tryAcquire()).toMatchObject({ code: 'SWITCHGEAR_BREAKER_OPEN', retryAfterMs: Infinity })
    await expect(smtp.forceOpen({ by: 'ann', reason: 'x' })).rejects.toMatchObject({ code: 'SWITCHGEAR_CLOSED' })
    await expect(smtp.history()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'SWITCHGEAR_CLOSED' })
    expect(() => gear.breaker('other')).toThrow(expect.objectContaining({ code: 'SWITCHGEAR_CLOSED' }))
    expect(() => gear.breaker('smtp')).toThrow(expect.objectContaining({ code: 'SWITCHGEAR_CLOSED' }))
    expect(called).toBe(0)
  })

  test('a second close is the same one', async () => {
    const { gear } = await instance()
    await Promise.all([gear.close(), gear.close()])
    await gear.close()
  })

  test('a call that was under way settles as its work does', async () => {
    const { clock, gear } = await instance()
    const call = gear.breaker('smtp').run(async () => {
      await clock.sleep(100)
      return 'sent'
    })
    const closing = gear.close()
    expect(await clock.runUntil(call)).toBe('sent')
    await clock.runUntil(closing)
  })

  test('another instance may probe at once, where this one had the probe', async () => {
    const { clock, gears } = await fleetOf(2)
    const [leaving, staying] = [nth(gears, 0), nth(gears, 1)]
    await play(leaving.breaker('smtp', options), clock, 'F +62000')
    leaving
      .breaker('smtp')
      .run(hang)
      .catch(() => {})
    await clock.advanceBy(100)
    expect(staying.breaker('smtp', options).state).toMatchObject({ mode: 'halfOpen', probe: { holder: 'a' } })
    await leaving.close()
    await clock.advanceBy(100)
    await play(staying.breaker('smtp'), clock, 'S +100')
    expect(staying.breaker('smtp').state).toMatchObject({ mode: 'closed', by: 'b' })
  })

  test('ready rejects, as nothing will be linked any more', async () => {
    const clock = virtualClock()
    const gear = createSwitchgear({ clock, log: memoryLog({ clock, latencyMs: { min: 1_000, max: 1_000 } }) })
    const ready = gear.ready()
    const closing = gear.close()
    await expect(clock.runUntil(ready)).rejects.toMatchObject({ code: 'SWITCHGEAR_CLOSED' })
    await clock.runUntil(closing)
  })
})

describe('closing leaves no timer behind', () => {
  const rows: readonly (readonly [string, (clock: VirtualClock, gear: Switchgear) => Promise<unknown>])[] = [
    ['when nothing happened', async () => {}],
    [
      'right after a trip, before it was proposed',
      (_, gear) =>
        gear
          .breaker('smtp')
          .run(fail)
          .catch(() => {}),
    ],
    ['while open', (clock, gear) => play(gear.breaker('smtp'), clock, 'F +100')],
    [
      'while a claim is under way',
      async (clock, gear) => {
        await play(gear.breaker('smtp'), clock, 'F +62000')
        gear
          .breaker('smtp')
          .run(ok)
          .catch(() => {})
        await clock.settle()
      },
    ],
    [
      'while a permit’s claim is under way',
      async (clock, gear) => {
        await play(gear.breaker('smtp'), clock, 'F +62000')
        gear.breaker('smtp').tryAcquire()
        await clock.settle()
      },
    ],
    [
      'while a probe’s result is on its way',
      async (clock, gear) => {
        await play(gear.breaker('smtp'), clock, 'F +62000')
        gear
          .breaker('smtp')
          .run(() => Promise.reject(ownFault()))
          .catch(() => {})
        await clock.advanceBy(900)
      },
    ],
    [
      'while an order is on its way',
      async (clock, gear) => {
        gear
          .breaker('smtp')
          .forceOpen({ by: 'ann', reason: 'x' })
          .catch(() => {})
        await clock.settle()
      },
    ],
    [
      'while an order stands for a time',
      (clock, gear) => clock.runUntil(gear.breaker('smtp').disable({ by: 'ann', reason: 'x', forMs: 60_000 })),
    ],
    [
      'while a check is planned',
      (clock, gear) => play(gear.breaker('checked', { ...options, probe: { check: ok } }), clock, 'F +100'),
    ],
  ]

  test.each(rows)('%s', async (_when, happen) => {
    const { clock, gear } = await instance()
    await happen(clock, gear)
    await clock.runUntil(gear.close())
    await clock.settle()
    expect(clock.pendingTimers).toBe(0)
  })

  test.each(rows)('%s, but for what the log has under way', async (_when, happen) => {
    const { clock, gear } = await instance({ min: 200, max: 200 })
    await happen(clock, gear)
    await clock.runUntil(gear.close())
    await clock.advanceBy(400)
    expect(clock.pendingTimers).toBe(0)
  })

  test('while a probe hangs, but for the call’s own', async () => {
    const { clock, gear } = await instance()
    const smtp = gear.breaker('smtp')
    await play(smtp, clock, 'F +62000')
    const probe = smtp.run(hang).catch((error: { readonly code: string }) => error.code)
    await clock.advanceBy(1_000)
    await gear.close()
    await clock.settle()
    expect(clock.pendingTimers).toBe(1)
    expect(await clock.runUntil(probe)).toBe('SWITCHGEAR_TIMEOUT')
    expect(clock.pendingTimers).toBe(0)
  })

  test('and an order that nobody took is refused then, not 15 s later', async () => {
    const { clock, gear } = await instance({ min: 200, max: 200 })
    const order = gear.breaker('smtp').forceOpen({ by: 'ann', reason: 'x' })
    const refused = order.catch((error: { readonly code: string }) => error.code)
    await clock.advanceBy(50)
    const closedAt = clock.now()
    await clock.runUntil(gear.close())
    expect(await clock.runUntil(refused)).toBe('SWITCHGEAR_CLOSED')
    expect(clock.now() - closedAt).toBeLessThan(500)
  })
})
