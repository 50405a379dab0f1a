import type { Breaker } from 'switchgear'
import type { VirtualClock } from 'switchgear/testing'
import { describe, expect, test } from 'vitest'
import { allOf, fleetOf, nth } from './fleet-of.ts'
import { play } from './play.ts'

const options = { failureThreshold: 2, quorum: 3, recoveryBackoff: { jitter: 'none' } } as const

const modes = (breakers: readonly Breaker[]) => breakers.map(({ state }) => state.mode)

async function fleetWithQuorum(
  instances: number,
  sick: number,
): Promise<{ clock: VirtualClock; smtps: readonly Breaker[] }> {
  const { clock, gears } = await fleetOf(instances)
  const smtps = gears.map((gear) => gear.breaker('smtp', options))
  for (const smtp of smtps.slice(0, sick)) await play(smtp, clock, 'F*2')
  await clock.advanceBy(200)
  return { clock, smtps }
}

describe('with quorum 3 of 5 instances', () => {
  test('2 sick ones are open by themselves, and the fleet is closed', async () => {
    const { clock, smtps } = await fleetWithQuorum(5, 2)
    expect(modes(smtps)).toEqual(['open', 'open', 'closed', 'closed', 'closed'])
    expect(nth(smtps, 0).state).toMatchObject({ scope: 'local', term: 0, by: 'a', reason: 'failureThreshold' })
    expect(await play(nth(smtps, 4), clock, 'S*3')).toEqual(['closed', 'closed', 'closed'])
    expect((await allOf(nth(smtps, 3).history())).map(({ event }) => [event.fact?.type, event.by])).toEqual([
      ['voted', 'b'],
      ['voted', 'a'],
    ])
  })

  test('2 sick ones recover by probes of their own, each in its own time', async () => {
    const { clock, smtps } = await fleetWithQuorum(5, 2)
    await clock.advanceBy(59_700)
    expect(await play(nth(smtps, 0), clock, 'R')).toEqual(['open'])
    await clock.advanceBy(200)
    expect(await play(nth(smtps, 0), clock, 'S')).toEqual(['closed'])
    expect(await play(nth(smtps, 1), clock, 'F R')).toEqual(['open', 'open'])
    expect(nth(smtps, 1).state).toMatchObject({ scope: 'local', failedRecoveries: 1 })
    expect(Math.round((nth(smtps, 1).state.retryAt ?? 0) - clock.now())).toBe(120_000)
    await clock.advanceBy(120_000)
    expect(await play(nth(smtps, 1), clock, 'S')).toEqual(['closed'])
  })

  test('while one of them probes, its other calls are refused as half-open', async () => {
    const { clock, smtps } = await fleetWithQuorum(5, 1)
    await clock.advanceBy(60_000)
    const sick = nth(smtps, 0)
    const probe = sick.run(() => clock.sleep(1_000))
    await expect(sick.run(() => 'x')).rejects.toMatchObject({ mode: 'halfOpen', retryAfterMs: 1_000 })
    await clock.runUntil(probe)
    expect(sick.state.mode).toBe('closed')
  })

  test('the third sick one opens the fleet', async () => {
    const { clock, smtps } = await fleetWithQuorum(5, 3)
    expect(modes(smtps)).toEqual(['open', 'open', 'open', 'open', 'open'])
    expect(nth(smtps, 4).state).toMatchObject({ scope: 'fleet', term: 1, reason: '3 instances saw the fault' })
    await clock.advanceBy(60_000)
    expect(await play(nth(smtps, 4), clock, 'S')).toEqual(['closed'])
    await clock.settle()
    expect(modes(smtps)).toEqual(['closed', 'closed', 'closed', 'closed', 'closed'])
  })

  test('exactly one event opens it, however many counted the votes', async () => {
    const { smtps } = await fleetWithQuorum(5, 3)
    const accepted = (await allOf(nth(smtps, 0).history())).filter((entry) => entry.accepted)
    expect(accepted.map(({ event }) => event.fact?.type)).toEqual(['opened', 'voted', 'voted', 'voted'])
  })

  test.each([
    [59_900, 'open'],
    [60_100, 'closed'],
  ])('votes of %i ms before count, or not: %s', async (waitMs, mode) => {
    const { clock, smtps } = await fleetWithQuorum(5, 2)
    await clock.advanceBy(waitMs - 200)
    await play(nth(smtps, 2), clock, 'F*2')
    await clock.advanceBy(100)
    expect(nth(smtps, 4).state.mode).toBe(mode)
  })

  test('one that keeps failing renews its vote with each probe of its own, and counts once', async () => {
    const { clock, smtps } = await fleetWithQuorum(5, 1)
    for (let round = 0; round < 4; round++) {
      await clock.advanceBy(Math.max(0, (nth(smtps, 0).state.retryAt ?? 0) - clock.now()) + 1)
      await play(nth(smtps, 0), clock, 'F +100')
    }
    expect(modes(smtps)).toEqual(['open', 'closed', 'closed', 'closed', 'closed'])
    expect((await allOf(nth(smtps, 1).history())).length).toBe(5)
  })

  test('votes from before the fleet opened do not open it again after it has closed', async () => {
    const { clock, smtps } = await fleetWithQuorum(5, 3)
    await clock.advanceBy(60_000)
    await play(nth(smtps, 4), clock, 'S +100')
    for (const smtp of smtps.slice(0, 2)) await play(smtp, clock, 'F*2')
    await clock.advanceBy(200)
    expect(modes(smtps)).toEqual(['open', 'open', 'closed', 'closed', 'closed'])
  })
})
