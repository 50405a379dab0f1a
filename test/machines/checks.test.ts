import { describe, expect, test } from 'vitest'
import { fleetOf, nth, oneInstance } from './fleet-of.ts'
import { play } from './play.ts'

const base = { failureThreshold: 1, recoveryBackoff: { jitter: 'none' } } as const

describe('probe.check', () => {
  test('probes without traffic when the recovery time is over, and closes', async () => {
    const { clock, gear } = await oneInstance()
    const checkedAt: number[] = []
    const startedAt = clock.now()
    const check = async () => void checkedAt.push(clock.now() - startedAt)
    const smtp = gear.breaker('smtp', { ...base, probe: { check } })
    await play(smtp, clock, 'F +59900')
    expect(checkedAt).toEqual([])
    await clock.advanceBy(300)
    expect(checkedAt).toHaveLength(1)
    expect(smtp.state.mode).toBe('closed')
    await clock.advanceBy(3_600_000)
    expect(checkedAt).toHaveLength(1)
    expect(clock.pendingTimers).toBe(0)
  })

  test('that fails waits longer each time, and gets the token and a signal', async () => {
    const { clock, gear } = await oneInstance()
    const calls: { readonly at: number; readonly probe: unknown; readonly signal: unknown }[] = []
    const startedAt = clock.now()
    const smtp = gear.breaker('smtp', {
      ...base,
      probe: {
        check: async ({ probe, signal }) => {
          calls.push({
            at: Math.round((clock.now() - startedAt) / 1_000),
            probe,
            signal: signal instanceof AbortSignal,
          })
          throw new Error('down')
        },
      },
    })
    await play(smtp, clock, 'F +500000')
    expect(calls).toEqual([
      { at: 60, probe: { term: 1, attempt: 1 }, signal: true },
      { at: 180, probe: { term: 2, attempt: 1 }, signal: true },
      { at: 420, probe: { term: 3, attempt: 1 }, signal: true },
    ])
  })

  test('runs once in the whole fleet, and takes over from an instance that dies', async () => {
    const { clock, gears } = await fleetOf(3)
    const checks: string[] = []
    const smtps = gears.map((gear) =>
      gear.breaker('smtp', {
        ...base,
        probe: {
          leaseMs: 10_000,
          check: () => {
            checks.push(gear.instance)
            return checks.length === 1 ? new Promise(() => {}) : Promise.resolve()
          },
        },
      }),
    )
    await play(nth(smtps, 0), clock, 'F +60200')
    expect(checks).toHaveLength(1)
    const holder = gears.find(({ instance }) => instance === checks[0])
    await holder?.close()
    await clock.advanceBy(10_600)
    expect(checks).toHaveLength(2)
    const alive = smtps.filter((_, at) => nth(gears, at) !== holder)
    expect(alive.map(({ state }) => state.mode)).toEqual(['closed', 'closed'])
  })

  test('probes by itself as well where only this instance is open', async () => {
    const { clock, gears } = await fleetOf(2)
    let checks = 0
    const check = async () => void checks++
    const smtps = gears.map((gear) => gear.breaker('smtp', { ...base, quorum: 2, probe: { check } }))
    await play(nth(smtps, 0), clock, 'F +60200')
    expect(checks).toBe(1)
    expect(nth(smtps, 0).state.mode).toBe('closed')
  })

  test('does not run under an order that has no end', async () => {
    const { clock, gear } = await oneInstance()
    let checks = 0
    const check = async () => void checks++
    const smtp = gear.breaker('smtp', { ...base, probe: { check } })
    await clock.runUntil(smtp.forceOpen({ by: 'ann', reason: 'test' }))
    await clock.advanceBy(600_000)
    expect(checks).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  })
})
