import { expect } from 'vitest'
import { claimWaitMs } from '../../src/machines/probe.ts'
import { until } from '../servers/until.ts'
import type { BreakerName } from './fault-load.ts'
import { agree, everyUnit, type FaultFleet, obeys, type Unit } from './fault-rig.ts'

/** By how much the slowest call with NATS may exceed the slowest one without, in ms: far less than any wait for it. */
const roomMs = 300

/**
 * While nobody can be told: one instance trips and then another one, each on its own evidence; what is sound for the
 * first again it finds out by its own probe; the others are open at no time; an order that was folded holds.
 */
export async function protectThemselves({ load }: FaultFleet, cutOff: readonly Unit[]): Promise<void> {
  const [one, two, ...others] = cutOff
  if (one === undefined || two === undefined) throw new Error('nobody is cut off')
  const since = others.map(({ transitions }) => transitions.length)
  load.break('smtp', one.gear.instance)
  load.break('lasting', one.gear.instance)
  await hasTripped(one, 'smtp')
  await hasTripped(one, 'lasting')
  expect(two.state('smtp').mode).toBe('closed')
  load.break('smtp', two.gear.instance)
  await hasTripped(two, 'smtp')
  load.mend('smtp', one.gear.instance)
  await until(`${one.gear.instance} to close by itself`, () => one.state('smtp').mode === 'closed' || undefined)
  expect(load.probes).toContain(one.gear.instance)
  expect(two.state('smtp').mode).not.toBe('closed')
  for (const [n, { transitions }] of others.entries())
    expect(transitions.slice(since[n]).filter(({ breaker }) => breaker === 'smtp' || breaker === 'lasting')).toEqual([])
  for (const unit of cutOff) {
    expect(obeys(unit)).toBe(true)
    expect(unit.state('shut').mode).toBe('open')
    expect(unit.state('sound').mode).toBe('closed')
  }
}

/** By itself, and before anybody else knew. */
export async function hasTripped(unit: Unit, name: BreakerName): Promise<void> {
  await until(`${unit.gear.instance} to trip ${name}`, () => unit.state(name).mode === 'open' || undefined)
  const own = unit.transitions.filter(({ breaker }) => breaker === name)
  // A log that is back at once may have told the fleet by now.
  const first = own.slice(own.findLastIndex(({ to }) => to === 'closed') + 1).find(({ to }) => to === 'open')
  expect(first).toMatchObject({ to: 'open', scope: 'local', by: unit.gear.instance })
}

/**
 * Healed: all agree, one that trips opens all, and a probe closes all. `lasting`: those of whom one, who had tripped there,
 * has opened it for all; nobody unless told. `divergencesMax`: for a log that was replaced, where an event that was
 * decided on the old one may land on the same sequence of the new one; all take it alike, and say so.
 */
export async function agreeAgain(
  { load, units }: FaultFleet,
  lasting: readonly Unit[] = [],
  { divergencesMax = 0 } = {},
): Promise<void> {
  load.mend()
  const closed = (unit: Unit): boolean => unit.state('smtp').mode === 'closed'
  await everyUnit(
    units,
    'to be linked, with smtp closed',
    (unit) => unit.gear.health().link === 'linked' && closed(unit),
  )
  await agree(units, ['sound', 'shut', 'ordered', 'smtp', 'lasting'])
  const tripped = lasting.map(({ gear }) => gear.instance)
  if (tripped.length > 0) expect(tripped).toContain(units[0]?.state('lasting').by)

  const one = units[0]
  const { term } = one?.state('smtp') ?? { term: 0 }
  load.break('smtp', 'unit-0')
  const opening = units.map(({ transitions }) => transitions.length)
  const openings = (): readonly unknown[] =>
    units.map(({ transitions }, n) =>
      transitions
        .slice(opening[n])
        .find(({ breaker, to, scope }) => breaker === 'smtp' && to === 'open' && scope === 'fleet'),
    )
  await everyUnit(units, 'to open with the one that trips', (unit) => unit.state('smtp').term === term + 1)
  expect(openings()[0]).toMatchObject({ by: 'unit-0', term: term + 1 })
  for (const seen of openings()) expect(seen).toEqual(openings()[0])
  load.mend()
  await everyUnit(units, 'to close with one probe', closed)

  await load.stop()
  await agree(units)
  for (const unit of units) {
    const { divergences, undecodable } = unit.gear.health().log
    expect(undecodable).toBe(0)
    expect(divergences).toBeLessThanOrEqual(divergencesMax)
    expect(obeys(unit)).toBe(true)
    expect(unit.state('shut').mode).toBe('open')
    expect(unit.state('sound')).toMatchObject({ mode: 'closed', term: 0 })
  }
  expect(load.leaks).toEqual([])
}

/** No call waited for NATS, but the ones that claim a probe, for as long as a claim may take. */
export function expectNoneWaited({ load }: FaultFleet): string {
  const { withNats, without } = load.waits
  const ms = (time: number): string => `${time.toFixed(0)} ms`
  const figures =
    `slowest of ${withNats.plain.calls} calls ${ms(withNats.plain.slowestMs)}, ` +
    `without NATS ${ms(without.plain.slowestMs)} of ${without.plain.calls}; ` +
    `slowest of ${withNats.claiming.calls} that could claim a probe ${ms(withNats.claiming.slowestMs)}, ` +
    `without NATS ${ms(without.claiming.slowestMs)} of ${without.claiming.calls}`
  expect(withNats.plain.calls, figures).toBeGreaterThan(0)
  expect(withNats.plain.slowestMs, figures).toBeLessThan(without.plain.slowestMs + roomMs)
  expect(withNats.claiming.slowestMs, figures).toBeLessThan(without.claiming.slowestMs + claimWaitMs + roomMs)
  return figures
}
