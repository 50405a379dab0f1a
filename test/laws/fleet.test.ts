import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { proveLaw } from '../../src/testing/law.ts'
import { laws } from '../../src/testing/laws/laws.ts'
import { fold, unread, type Position } from '../../src/machines/fold.ts'
import { faultsOf, fleetScripts, type FleetScript, type ScriptLog } from '../../src/testing/fleet-script.ts'
import { healAndQuiet, playFleet, playStartAt, type PlayedFleet } from '../../src/testing/play-fleet.ts'

test.each(Object.values(laws.fleet).map((law) => [law.name, law.says, law] as const))(
  '%s: %s',
  async (_name, _says, law) => {
    expect(await proveLaw(law)).toMatchObject({ status: 'passed' })
  },
)

const fleetEvents = [
  'a call',
  'a fleet probe',
  'a local probe',
  'voted',
  'opened',
  'probeClaimed',
  'probePassed',
  'probeReleased',
  'closed',
  'reopened',
  'forcedOpen',
  'disabled',
  'released',
]

/** What comes of a log's faults, for the logs that have them. */
const effects: Readonly<Record<ScriptLog, readonly string[]>> = {
  sound: [],
  faulty: [
    'a lost answer to an event that counts',
    'a second winner',
    'late',
    'a stale message',
    'a call without a link',
    'a message that took longer than a lease',
    'another log',
    'a shorter log',
    'restored',
    'lostRace',
  ],
  lossy: [
    'a message that never came',
    'an older message after a newer one',
    'a provisional reading',
    'a certain reading after a provisional one',
    'a settled reading',
    'late',
    'a call without a link',
    'a message that took longer than a lease',
  ],
}

test.each(['sound', 'faulty', 'lossy'] as const)(
  'fleets on a %s log open, probe and close, and everything that can go wrong there does',
  async (log) => {
    const reached = new Map<string, number>()
    for (const script of fc.sample(fleetScripts({ logs: [log] }), { numRuns: 300, seed: 1 })) {
      const played = await playFleet(script)
      await healAndQuiet(played)
      for (const what of new Set([
        ...faultsIn(script),
        ...callsIn(played),
        ...loggedIn(played),
        ...heardIn(played, script),
      ]))
        reached.set(what, (reached.get(what) ?? 0) + 1)
    }
    for (const what of [...fleetEvents, ...faultsOf[log], ...effects[log]])
      expect([what, (reached.get(what) ?? 0) > 0]).toEqual([what, true])
  },
)

const faultsIn = ({ steps }: FleetScript): string[] => steps.flatMap((step) => (step.do === 'fault' ? [step.kind] : []))

const callsIn = ({ calls }: PlayedFleet): string[] =>
  calls.flatMap(({ probe, scope, whereabouts }) => [
    probe === undefined ? 'a call' : `a ${scope} probe`,
    ...(whereabouts.linked ? [] : ['a call without a link']),
  ])

/** What the logs have to say, each from its beginning. */
function loggedIn({ epochs }: PlayedFleet): string[] {
  const seen: string[] = epochs.slice(1).map((log) => (log.length === 0 ? 'another log' : 'a shorter log'))
  for (const messages of epochs) {
    let position: Position = unread
    for (const message of messages) {
      const folded = fold(position, message)
      position = folded.position
      seen.push(folded.verdict.accepted ? (folded.verdict.event.fact?.type ?? 'unknown') : folded.verdict.why)
    }
    const predecessors = messages.map(({ expected }) => expected)
    if (new Set(predecessors).size < predecessors.length) seen.push('a second winner')
  }
  return seen
}

/** What came of the messages on their way. */
function heardIn({ fleet, epochs, log }: PlayedFleet, script: FleetScript): string[] {
  const { leaseMs = 0 } = script.options.probe ?? {}
  const again = script.steps.some((step) => step.do === 'fault' && step.kind === 'repeatLast')
  return fleet.instances.flatMap(({ alive, record, readings, replica }) => {
    const { heard, appends } = record
    const last = epochs.at(-1) ?? []
    const seen: string[] = []
    if (heard.some(({ stale }) => stale)) seen.push('a stale message')
    if (heard.some(({ stale }) => stale) && !again) seen.push('an older message after a newer one')
    if (heard.some(({ at, storedAt }) => playStartAt + at - storedAt > leaseMs))
      seen.push('a message that took longer than a lease')
    if (alive && replica.linked && last.some(({ seq }) => !heard.some((message) => message.seq === seq)))
      seen.push('a message that never came')
    if (readings.some(({ provisional }) => provisional)) seen.push('a provisional reading')
    if (readings.some(({ settled }) => settled)) seen.push('a settled reading')
    if (
      readings.some(
        ({ event, provisional }, at) => event !== undefined && !provisional && readings[at - 1]?.provisional,
      )
    )
      seen.push('a certain reading after a provisional one')
    if (appends.some(({ message, answered }) => !answered && last.some(({ id }) => id === message.id)))
      seen.push('a lost answer to an event that counts')
    return log === undefined ? [] : seen
  })
}
