import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { proveLaw } from '../../src/testing/law.ts'
import { laws } from '../../src/testing/laws/laws.ts'
import { fold, unread, type Position } from '../../src/machines/fold.ts'
import { fleetScripts } from '../../src/testing/fleet-script.ts'
import { healAndQuiet, playFleet } from '../../src/testing/play-fleet.ts'

test.each(Object.values(laws.fleet).map((law) => [law.name, law.says, law] as const))(
  '%s: %s',
  async (_name, _says, law) => {
    expect(await proveLaw(law)).toMatchObject({ status: 'passed' })
  },
)

test('the fleets that they are tried on open, probe, close, lose races and are cut off', async () => {
  const reached = new Map<string, number>()
  const runs = 150
  for (const script of fc.sample(fleetScripts({ faulty: true }), { numRuns: runs, seed: 1 })) {
    const played = await playFleet(script)
    await healAndQuiet(played)
    const seen = new Set(played.calls.map(({ probe, scope }) => (probe === undefined ? 'a call' : `a ${scope} probe`)))
    let position: Position = unread
    for (const message of played.fleet.stored) {
      const folded = fold(position, message)
      position = folded.position
      seen.add(folded.verdict.accepted ? (folded.verdict.event.fact?.type ?? 'unknown') : folded.verdict.why)
    }
    for (const what of seen) reached.set(what, (reached.get(what) ?? 0) + 1)
  }
  for (const what of fleetEvents) expect([what, (reached.get(what) ?? 0) > 0]).toEqual([what, true])
})

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
  'lostRace',
]
