import { fold, unread, type Position } from '../machines/fold.ts'
import type { FleetScript } from './fleet-script.ts'
import { playFleet, playStartAt, type PlayedFleet } from './play-fleet.ts'
import type { StoryEvent } from './story.ts'

/** Plays a script again, and tells what came of it. */
export async function fleetStory(script: FleetScript): Promise<readonly StoryEvent[]> {
  const played = await playFleet(script)
  await played.clock.advanceBy(1_000)
  return [...callsIn(played), ...transitionsIn(played), ...linksIn(played), ...logIn(played)]
}

function callsIn({ calls }: PlayedFleet): readonly StoryEvent[] {
  return calls.flatMap(({ instance: { name: who }, startedAt, probe, endedAt, outcome, abortedAt }) => {
    const what = probe === undefined ? 'call' : `probe ${probe.term}.${probe.attempt}`
    return [
      { atMs: startedAt, who, what: `${what} begins` },
      ...(endedAt === undefined ? [] : [{ atMs: endedAt, who, what: `${what} ${outcome}` }]),
      ...(abortedAt === undefined ? [] : [{ atMs: abortedAt, who, what: `${what} is stopped` }]),
    ]
  })
}

function transitionsIn({ fleet }: PlayedFleet): readonly StoryEvent[] {
  return fleet.instances.flatMap(({ name: who, transitions }) =>
    transitions.map(({ trueAt, from, to, scope }) => ({ atMs: trueAt, who, what: `${from} → ${to} (${scope})` })),
  )
}

/** As it was seen between two steps. */
function linksIn({ samples }: PlayedFleet): readonly StoryEvent[] {
  const linked = new Map<string, boolean>()
  return samples.flatMap(({ instance: { name: who }, at, whereabouts }) => {
    const before = linked.get(who) ?? true
    linked.set(who, whereabouts.linked)
    return before === whereabouts.linked ? [] : [{ atMs: at, who, what: whereabouts.linked ? 'has a link' : 'no link' }]
  })
}

function logIn({ epochs }: PlayedFleet): readonly StoryEvent[] {
  return epochs.flatMap((messages, epoch) => {
    let position: Position = unread
    return messages.map((message) => {
      const { position: next, verdict } = fold(position, message)
      position = next
      const what = verdict.event?.fact?.type ?? 'something'
      const by = verdict.event === undefined ? '' : ` of ${verdict.event.by}`
      return {
        atMs: message.at - playStartAt,
        who: epochs.length > 1 ? `log ${epoch + 1}` : 'log',
        what: `${message.seq}: ${what}${by}${verdict.accepted ? '' : ` (${verdict.why})`}`,
      }
    })
  })
}
