import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { fleetOfBreakers } from '../fleet-of-breakers.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { simulatedLog } from '../simulated-log.ts'
import { virtualClock } from '../virtual-clock.ts'

interface Flap {
  readonly downMs: number
  readonly upMs: number
  /** What happens to what is said in between. */
  readonly harm: 'none' | 'loseAnswers' | 'holdAppends'
}

interface FlapsCase {
  readonly seed: number
  readonly latencyMs: number
  readonly quorum: number
  readonly recoveryTimeoutMs: number
  /** What the instance has to say: its own trip, from before or after the link went down; the end of an order; nothing. */
  readonly situation: 'tripped linked' | 'tripped unlinked' | 'fleet open' | 'order over' | 'well'
  readonly flaps: readonly Flap[]
}

const name = 'smtp'

/** What it says beside once for each flap: what it had begun to say before the first. */
const appendsBeside = 1

/**
 * `autonomy.flaps`. Nobody calls meanwhile, so that nothing new is to be said. c is 1.
 */
export const flaps: Law<FlapsCase> = {
  name: 'autonomy.flaps',
  says: `k flaps of an instance's link cause at most k + ${appendsBeside} appends of its own`,
  cases: fc.record({
    seed: fc.nat(),
    latencyMs: fc.constantFrom(0, 5, 60),
    quorum: fc.constantFrom(1, 2, 3),
    recoveryTimeoutMs: fc.constantFrom(2_000, 60_000, 60_000),
    situation: fc.constantFrom('tripped linked', 'tripped unlinked', 'fleet open', 'order over', 'well'),
    flaps: fc.array(flapArbitrary(), { minLength: 1, maxLength: 8 }),
  }),
  async holds({ seed, latencyMs, quorum, recoveryTimeoutMs, situation, flaps: all }) {
    const clock = virtualClock({ startAt: 1_000_000 })
    const random = seededRandom(seed)
    const log = simulatedLog({ clock, random, latencyMs: { min: 0, max: latencyMs } })
    const options = { failureThreshold: 1, quorum, recoveryTimeoutMs }
    const fleet = fleetOfBreakers({ instances: 4, clockOf: () => clock, random, log, options })
    const [flapping, ...others] = fleet.instances
    assert.ok(flapping !== undefined)
    for (const { breaker } of fleet.instances) breaker(name)
    await clock.advanceBy(latencyMs * 2)
    const fail = async (): Promise<unknown> =>
      flapping
        .breaker(name)
        .run(() => Promise.reject(new Error('down')))
        .catch(() => {})
    const order = { by: 'an operator', reason: 'test', forMs: 1_000 }
    if (situation === 'order over')
      void others[0]
        ?.breaker(name)
        .forceOpen(order)
        .catch(() => {})
    if (situation === 'fleet open')
      for (const { breaker } of others)
        breaker(name)
          .run(() => Promise.reject(new Error('down')))
          .catch(() => {})
    await clock.advanceBy(500)
    const begun = flapping.record.appends.length
    if (situation === 'tripped linked') await fail()
    for (const { downMs, upMs, harm } of all) {
      log.cut(flapping.name)
      await clock.settle()
      if (situation === 'tripped unlinked' && flapping.breaker(name).state.mode === 'closed') await fail()
      await clock.advanceBy(downMs)
      log.heal(flapping.name)
      if (harm !== 'none') log[harm](flapping.name, 1)
      await clock.advanceBy(upMs)
    }
    await clock.advanceBy(30_000)
    const said = flapping.record.appends.length - begun
    assert.ok(said <= all.length + appendsBeside, `${all.length} flaps, ${said} appends`)
    return said > 0 ? 'held' : 'notExercised'
  },
}

function flapArbitrary(): fc.Arbitrary<Flap> {
  const ms = fc.constantFrom(1, 20, 60, 300, 1_200, 11_000)
  return fc.record({ downMs: ms, upMs: ms, harm: fc.constantFrom('none', 'none', 'loseAnswers', 'holdAppends') })
}
