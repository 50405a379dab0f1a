import { createSwitchgear, memoryLog, type Breaker, type Switchgear } from 'switchgear'
import { seededRandom, virtualClock, type VirtualClock } from 'switchgear/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ok } from './fleet-of.ts'
import { play } from './play.ts'

const ann = { by: 'ann', reason: 'migration' }
const options = { failureThreshold: 2, recoveryBackoff: { jitter: 'none' } } as const

interface Joining {
  readonly clock: VirtualClock
  readonly first: Breaker
  join(instance: string): Promise<Switchgear>
}

/** A fleet of one, and how to join it later. */
async function fleetToJoin(): Promise<Joining> {
  const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
  const log = memoryLog({ clock, random: seededRandom(1) })
  const join = async (instance: string) => {
    const gear = createSwitchgear({ clock, random: seededRandom(2), log, instance, breakers: { default: options } })
    onTestFinished(() => gear.close())
    await clock.runUntil(gear.ready())
    return gear
  }
  return { clock, first: (await join('a')).breaker('smtp'), join }
}

describe('an instance that joins later', () => {
  test('refuses from its first call on while the fleet is open, and may be the one that probes', async () => {
    const { clock, first, join } = await fleetToJoin()
    await play(first, clock, 'F*2 +30000')
    const smtp = (await join('b')).breaker('smtp')
    expect(smtp.state).toMatchObject({ mode: 'open', term: 1, by: 'a', reason: 'failureThreshold' })
    expect(await play(smtp, clock, 'R +30100 S')).toEqual(['open', 'closed'])
    await clock.settle()
    expect(first.state.mode).toBe('closed')
  })

  test('is under an order that stands', async () => {
    const { clock, first, join } = await fleetToJoin()
    await clock.runUntil(first.forceOpen(ann))
    const orderedAt = clock.now()
    await clock.advanceBy(5_000)
    const smtp = (await join('b')).breaker('smtp')
    expect(smtp.state).toMatchObject({ mode: 'forcedOpen', ...ann, sinceAt: orderedAt })
    await expect(smtp.run(ok)).rejects.toMatchObject({ mode: 'forcedOpen' })
  })

  test('counts nothing where it is disabled, and does count once it is released', async () => {
    const { clock, first, join } = await fleetToJoin()
    await clock.runUntil(first.disable(ann))
    const smtp = (await join('b')).breaker('smtp')
    await play(smtp, clock, 'F*10')
    expect(smtp.state).toMatchObject({ mode: 'disabled', counts: { calls: 0 } })
    await clock.runUntil(first.release(ann))
    await clock.settle()
    expect(await play(smtp, clock, 'F*2')).toEqual(['closed', 'open'])
  })

  test('agrees with the others after more has happened than a log retains', async () => {
    const { clock, first, join } = await fleetToJoin()
    for (let round = 0; round < 40; round++) {
      await clock.runUntil(first.forceOpen({ by: 'ann', reason: `round ${round}` }))
      await clock.runUntil(first.release({ by: 'ann', reason: `round ${round}` }))
    }
    await play(first, clock, 'F*2 +100')
    const smtp = (await join('b')).breaker('smtp')
    expect(smtp.state).toMatchObject({ mode: 'open', term: 81, reason: 'failureThreshold' })
    expect({ ...smtp.state }).toEqual({ ...first.state })
  })

  test('sees no transitions of what was before it came', async () => {
    const { clock, first, join } = await fleetToJoin()
    await play(first, clock, 'F*2 +60100 S +100 F*2 +100')
    const gear = await join('b')
    const seen: string[] = []
    gear.transitions$.subscribe(({ from, to }) => seen.push(`${from} → ${to}`))
    const smtp = gear.breaker('smtp')
    expect(smtp.state.mode).toBe('open')
    await clock.advanceBy(1_000)
    expect(seen).toEqual([])
  })
})
