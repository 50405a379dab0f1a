import type { Fleet, SimulationOutcome } from '../testing.ts'
import { readableDuration } from './duration.ts'
import { table } from './table.ts'

/** A simulation for people: the two fleets side by side, and what happened on the way. */
export function simulationTable(outcome: SimulationOutcome): string {
  const { seed, traceHash, timeline, faults, transitions, neverReached, leftOut } = outcome
  const { instances, scenario } = timeline
  const { kind, of, fromMs, forMs } = scenario
  const title = `${kind} of "${of}" for ${readableDuration(forMs)} from ${readableDuration(Math.max(1, fromMs))} on, ${grouped(instances)} instances, seed ${seed}`
  const rows = simulationRows(outcome).map((cells) => cells.map((text) => ({ text })))
  return [
    title,
    '',
    table(['', 'WITH SWITCHGEAR', 'WITHOUT'], rows),
    '',
    `faults: ${counted(faults)}`,
    `transitions: ${counted(transitions)}`,
    ...(neverReached.length > 0 ? [`never reached: ${neverReached.join(', ')}`] : []),
    `not simulated: ${leftOut.join('; ')}`,
    `converged, one outcome for each call; trace ${traceHash}`,
  ].join('\n')
}

/** What is compared: a line in words, then a value for each of the two fleets. */
export function simulationRows({ with: guarded, without }: SimulationOutcome): readonly (readonly string[])[] {
  const row = (what: string, value: (fleet: Fleet) => string): readonly string[] => [
    what,
    value(guarded),
    value(without),
  ]
  return [
    row('calls', ({ calls }) => grouped(calls)),
    row('attempts that hit it in its trouble', ({ reachedWhileDead }) => grouped(reachedWhileDead)),
    row('calls refused at once', ({ refused }) => grouped(refused)),
    row('all instances had noticed after', ({ detectMs }) => duration(detectMs)),
    row('probes', ({ probes }) => grouped(probes)),
    row('all let calls through again after', ({ recoverMs }) => duration(recoverMs)),
    row('delivered in time', ({ delivered }) => grouped(delivered)),
    row('delivered late', ({ late }) => grouped(late)),
    row('lost', ({ lost }) => grouped(lost)),
  ]
}

function duration(ms: number | null): string {
  return ms === null ? 'never' : readableDuration(ms)
}

export function grouped(value: number): string {
  return value.toLocaleString('en-US')
}

function counted(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, n]) => n > 0)
    .map(([what, n]) => `${what} ${n}`)
    .join(', ')
}
