import { afterAll, beforeAll, expect, test } from 'vitest'
import { sized } from '../sized.ts'
import { explore, type Scope } from './exhaustive-fleet.ts'
import type { Plant } from './planted/plant.ts'
import { startPlanting, type Planting } from './planted/planting.ts'

const none: Scope['faults'] = { crashes: 0, lostAnswers: 0, heldUp: 0, secondWinners: 0, orders: 0 }
const one: Scope = { logMax: 2, ticks: 3, quorum: 1, faults: none }
const crashAndLoss: Scope['faults'] = { ...none, crashes: 1, lostAnswers: 1 }

const scopes: readonly (readonly [what: string, scope: Scope, reaches: readonly string[]])[] = [
  [
    'a crash and a lost acknowledgement',
    { ...one, logMax: sized(2, 4), ticks: sized(3, 6), faults: crashAndLoss },
    ['crashes', 'is stored, and not told', 'has the probe', 'opened', 'probeClaimed'],
  ],
  [
    'a message that is held up',
    { ...one, ticks: sized(2, 4), logMax: sized(2, 3), faults: { ...none, heldUp: 1 } },
    ['lands late', 'is refused late', 'opened'],
  ],
  [
    'a second winner and an order',
    { ...one, ticks: sized(2, 4), logMax: sized(2, 3), faults: { ...none, secondWinners: 1, orders: 1 } },
    ['is a second winner', 'lostRace', 'forcedOpen'],
  ],
  [
    'a quorum of two',
    { ...one, ticks: sized(2, 4), logMax: 3, quorum: 2, faults: { ...none, crashes: sized(0, 1) } },
    ['voted', 'opened'],
  ],
]

test.each(scopes)(
  'no interleaving of two instances breaks a law, with %s',
  (what, scope, reaches) => {
    const startedAt = performance.now()
    const { states, steps, logs, reached } = explore(scope)
    console.info(
      `every interleaving of 2 instances × log ${scope.logMax} × ${scope.ticks} ticks, a clock that is a tick behind, ${what}: ` +
        `${states} states, ${steps} steps, ${logs} logs, ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`,
    )
    // Where something never came about nothing was shown of it.
    for (const name of reaches) expect([name, (reached.get(name) ?? 0) > 0]).toEqual([name, true])
  },
  1_800_000,
)

let planting: Planting
beforeAll(async () => {
  planting = await startPlanting()
})
afterAll(() => planting.end())

const plants: readonly (readonly [scope: Scope, plant: Plant])[] = [
  [
    // The others open and close again before one of them has said that it tripped.
    { logMax: 4, ticks: 3, quorum: 1, faults: none },
    {
      name: 'a trip of an earlier term opens the fleet again',
      file: 'src/machines/breaker-decide.ts',
      find: 'if (term !== situation.state.term) return undefined',
      replace: '',
      law: 'autonomy.reconcile',
    },
  ],
  [
    { ...one, faults: { ...none, secondWinners: 1 } },
    {
      name: 'two equal compare-and-sets are accepted',
      file: 'src/machines/fold.ts',
      find: "if (message.expected < previousSeq) return { accepted: false, why: 'lostRace', event }",
      replace: '',
      law: 'fleet.one-winner',
    },
  ],
]

test.each(plants.map(([scope, plant]) => [plant.name, plant.law, scope, plant] as const))(
  'where %s, an interleaving breaks %s',
  async (_name, law, scope, plant) => {
    const planted = await planting.load<{ explore: typeof explore }>(plant, 'test/laws/exhaustive-fleet.ts')
    expect(() => planted.explore(scope)).toThrow(law)
  },
)
