import { tellStory, type StoryEvent } from '../story.ts'
import type { PlayedGuarded } from './play-simulation.ts'

/** What happened in a run, as a timeline: a column for the fleet's log and one for each instance. */
export function simulationStory(played: PlayedGuarded): string {
  return tellStory(simulationEvents(played), { columns: columnsOf(played) })
}

/** So many instances have a column; of the others is told what the log says of them. */
const columnsMax = 6

function columnsOf({ plan }: PlayedGuarded): readonly string[] {
  return [theLog, ...Array.from({ length: Math.min(columnsMax, plan.instances) }, (_, place) => nameOf(place))]
}

const theLog = 'the log'

function nameOf(place: number): string {
  return `instance ${place}`
}

export function simulationEvents(played: PlayedGuarded): readonly StoryEvent[] {
  const { plan, happened, fleetChanges, modes, endMs, broken } = played
  const { kind, of, fromMs, forMs } = plan.scenario
  const shown = new Set(columnsOf(played))
  const events: StoryEvent[] = [
    { atMs: fromMs, what: `${kind} of "${of}" begins` },
    { atMs: fromMs + forMs, what: `${of} is well again` },
    ...happened.map(({ atMs, kind: fault, instance }) =>
      shown.has(instance) ? { atMs, who: instance, what: fault } : { atMs, what: `${fault} ${instance}`.trim() },
    ),
    ...fleetChanges.map(({ atMs, from, to, by, reason }) => ({
      atMs,
      who: theLog,
      what: `${from === to ? to : `${from} → ${to}`}, by ${by}: ${reason}`,
    })),
    ...modes.changes.flatMap(({ atMs, place, to }) =>
      shown.has(nameOf(place)) ? [{ atMs, who: nameOf(place), what: `is ${to}` }] : [],
    ),
    { atMs: endMs, what: 'calls stop, and everything is healed' },
  ]
  const lastMs = events.reduce((last, { atMs }) => Math.max(last, atMs), 0)
  return [...events, ...broken.map(({ law, what }) => ({ atMs: lastMs, what: `${law} is broken: ${what}` }))].toSorted(
    (one, other) => one.atMs - other.atMs,
  )
}
