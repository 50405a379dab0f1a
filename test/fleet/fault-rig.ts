import { isDeepStrictEqual } from 'node:util'
import { memoryLog } from '../../src/adapters/memory/event-log.ts'
import { natsLog, type NatsLogOptions } from '../../src/adapters/nats/nats-log.ts'
import type { BreakerOptions } from '../../src/machines/breaker-options.ts'
import type { BreakerState } from '../../src/machines/breaker-state.ts'
import type { Transition } from '../../src/machines/transition.ts'
import type { Link } from '../../src/ports/event-log.ts'
import { createSwitchgear, type Switchgear } from '../../src/switchgear.ts'
import { until } from '../servers/until.ts'
import { type BreakerName, breakerNames, type Load, startLoad } from './fault-load.ts'

/** An instance, with what it has told since its start. */
export interface Unit {
  readonly gear: Switchgear
  readonly links: readonly { readonly link: Link; readonly at: number }[]
  readonly transitions: readonly Transition[]
  state(name: BreakerName): BreakerState
}

/** A fleet on NATS with calls going through it, and beside it one without NATS that is called alike. */
export interface FaultFleet {
  readonly fleet: string
  readonly units: readonly Unit[]
  readonly load: Load
  end(): Promise<void>
}

export const smtpRecoveryMs = 1_000
export const leaseMs = 2_000

const soon = { multiplier: 1, jitter: 'none' } as const
const breakers: Record<BreakerName, BreakerOptions> = {
  sound: {},
  dead: { recoveryTimeoutMs: 500, recoveryBackoff: soon, probe: { leaseMs } },
  shut: {},
  ordered: {},
  lasting: {},
  smtp: { recoveryTimeoutMs: smtpRecoveryMs, recoveryBackoff: soon, probe: { leaseMs } },
}

/** How many instances there are without NATS, to compare with. */
const referenceInstances = 3

/**
 * Starts an instance for each of these logs, every one with a connection of its own. When it resolves, all of them hold
 * `shut` open and `ordered` forced open, `dead` is probed in vain, and calls go on.
 */
export async function startFaultFleet(logs: readonly NatsLogOptions[]): Promise<FaultFleet> {
  const fleet = 'faults'
  const units = logs.map((options, n) => startUnit(`unit-${n}`, fleet, natsLog(options)))
  const memory = memoryLog()
  const reference = Array.from({ length: referenceInstances }, (_, n) => startUnit(`memory-${n}`, 'memory', memory))
  await Promise.all(units.map(({ gear }) => gear.ready({ deadlineMs: 20_000 })))
  for (const { gear } of [units[0], reference[0]].filter((unit) => unit !== undefined))
    await gear.breaker('ordered').forceOpen({ by: 'ann', reason: 'migration' })
  const gears = (of: readonly Unit[]): Switchgear[] => of.map(({ gear }) => gear)
  const load = startLoad(gears(units), gears(reference))
  const end = async (): Promise<void> => {
    await load.stop()
    await Promise.all([...units, ...reference].map(({ gear }) => gear.close({ deadlineMs: 1_000 })))
  }
  try {
    await everyUnit(units, 'to hold what is open', (unit) => {
      return unit.state('shut').scope === 'fleet' && unit.state('shut').mode === 'open' && obeys(unit)
    })
  } catch (error) {
    await end()
    throw error
  }
  load.restart()
  return { fleet, units, load, end }
}

function startUnit(instance: string, fleet: string, log: ReturnType<typeof natsLog>): Unit {
  const gear = createSwitchgear({ fleet, instance, log, breakers })
  const links: { link: Link; at: number }[] = []
  const transitions: Transition[] = []
  gear.link$.subscribe((link) => links.push({ link, at: performance.now() }))
  gear.transitions$.subscribe((transition) => transitions.push(transition))
  return { gear, links, transitions, state: (name) => gear.breaker(name).state }
}

/** Whether the order that was given at the start holds. */
export function obeys(unit: Unit): boolean {
  const { mode, by } = unit.state('ordered')
  return mode === 'forcedOpen' && by === 'ann'
}

/** Waits until this holds for all of them. @throws Error with the states of all when it does not come to that. */
export async function everyUnit(
  units: readonly Unit[],
  what: string,
  holds: (unit: Unit) => boolean,
  deadlineMs: number = 60_000,
): Promise<void> {
  await until(`every instance ${what}`, () => units.every(holds) || undefined, deadlineMs).catch((error: unknown) => {
    throw new Error(units.map(describeUnit).join('\n'), { cause: error })
  })
}

/** Waits until the links of all are so; gives how long after `since` the last one became so. */
export async function linksAre(units: readonly Unit[], state: Link['state'], since: number): Promise<number> {
  const became = ({ links }: Unit): number | undefined =>
    links.find(({ link, at }) => at >= since && link.state === state)?.at
  await everyUnit(units, `to be ${state}`, (unit) => became(unit) !== undefined)
  return Math.max(...units.map((unit) => became(unit) ?? 0)) - since
}

/** Waits until all of them say the same of every breaker, as the word of the fleet. */
export async function agree(units: readonly Unit[], names: readonly BreakerName[] = breakerNames): Promise<void> {
  const says = (unit: Unit): readonly object[] => names.map((name) => fleetsWord(unit.state(name)))
  const [first] = units
  if (first === undefined) throw new Error('there is nobody')
  await everyUnit(units, 'to agree', (unit) => isDeepStrictEqual(says(unit), says(first)) && !isAlone(unit, names))
}

function isAlone(unit: Unit, names: readonly BreakerName[]): boolean {
  return names.some((name) => unit.state(name).scope === 'local')
}

/** What the fleet agrees on, without what each instance counts, or tells by its own clock. */
function fleetsWord({ mode, term, sinceAt, by, reason, failedRecoveries, probe }: BreakerState): object {
  return { mode, term, sinceAt, by, reason, failedRecoveries, probe }
}

function describeUnit(unit: Unit): string {
  const { link, log } = unit.gear.health()
  const states = breakerNames.map((name) => {
    const { mode, scope, term, by, reason } = unit.state(name)
    return `${name} ${mode} (${scope}) in term ${term} by ${by}: ${reason}`
  })
  const last = unit.links.at(-1)?.link
  const why = last?.state === 'down' ? ` (${last.why})` : ''
  return `${unit.gear.instance} ${link}${why} ${JSON.stringify(log)}; ${states.join('; ')}`
}
