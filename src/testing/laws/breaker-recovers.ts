import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import { claimableAt } from '../../machines/breaker-decide.ts'
import { type BreakerOptions, type BreakerSettings, probeShare } from '../../machines/breaker-options.ts'
import { failuresToTrip } from '../failures-to-trip.ts'
import { fleetOfBreakers, type TestedFleet } from '../fleet-of-breakers.ts'
import type { Verdict } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import type { StoryEvent } from '../story.ts'
import type { Subject } from '../verify/subject.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'
import { playable } from './on-subject.ts'

/** A dependency that was down, is back, and takes its time, as long as a call may take. */
export interface RecoveryCase {
  readonly breaker: string
  readonly seed: number
  readonly instances: number
  /** How long it takes, as a share of what a call may take. */
  readonly share: number
}

export function recoveryCases({ breakers, instances }: Subject): fc.Arbitrary<RecoveryCase> {
  return fc.record({
    breaker: fc.constantFrom(...breakers.map(({ name }) => name)),
    seed: fc.nat(),
    instances: fc.integer({ min: 1, max: instances }),
    share: fc.constantFrom(0, 0.1, 0.5, 0.9, 0.99),
  })
}

/** Whether the breaker closes again; `told` hears what happened. */
export async function recovers(
  { breakers }: Subject,
  given: RecoveryCase,
  told: (event: StoryEvent) => void = () => {},
): Promise<Verdict> {
  const breaker = breakers.find(({ name }) => name === given.breaker)
  assert.ok(breaker !== undefined)
  const { settings } = breaker
  const tookMs = Math.floor(given.share * mayTakeMs(settings))
  const { clock, fleet } = await openFleet(playable(breaker.options), settings, given)
  told({ atMs: clock.monotonic(), what: `the dependency is back, and answers within ${tookMs} ms` })
  const closed = (): boolean =>
    fleet.instances.every((instance) => instance.breaker(given.breaker).state.mode === 'closed')
  const probes = Math.min(probesMax, settings.successesToClose) + 3
  let begun = 0
  for (let round = 0; round < probes && !closed(); round++) {
    await clock.advanceBy(Math.max(0, claimable(fleet, given.breaker) - clock.now()) + 1)
    for (const { name: who, breaker: of } of fleet.instances)
      of(given.breaker)
        .run(async ({ signal }) => {
          begun++
          told({ atMs: clock.monotonic(), who, what: 'probes' })
          signal.addEventListener('abort', () => told({ atMs: clock.monotonic(), who, what: 'its probe is stopped' }))
          await clock.sleep(tookMs)
          told({ atMs: clock.monotonic(), who, what: 'the dependency answers' })
        })
        .catch(() => {})
    await clock.advanceBy(tookMs + 1_000)
  }
  for (const { name: who, transitions } of fleet.instances)
    for (const { trueAt, from, to } of transitions) told({ atMs: trueAt, who, what: `${from} → ${to}` })
  assert.ok(
    closed() || settings.successesToClose > probesMax,
    `the dependency answers within ${tookMs} ms, which a call may take (${mayTakeMs(settings)} ms), and after ${begun} probes "${given.breaker}" is not closed`,
  )
  return 'held'
}

/** Who asks for more in a row is taken at his word. */
const probesMax = 20

/** As long as its timeout; without one, as long as a probe. */
function mayTakeMs({ timeoutMs, leaseMs }: BreakerSettings): number {
  return timeoutMs ?? leaseMs * probeShare
}

async function openFleet(
  options: BreakerOptions,
  { quorum }: BreakerSettings,
  { seed, instances, breaker }: RecoveryCase,
): Promise<{ readonly clock: VirtualClock; readonly fleet: TestedFleet }> {
  const clock = virtualClock({ startAt: 1_000_000 })
  const random = seededRandom(seed)
  const log = memoryLog({ clock, random })
  const fleet = fleetOfBreakers({ instances: Math.max(instances, quorum), clockOf: () => clock, random, log, options })
  await clock.settle()
  for (const instance of fleet.instances)
    for (let call = 0; call < failuresToTrip(options); call++)
      await instance
        .breaker(breaker)
        .run(() => Promise.reject(new Error('down')))
        .catch(() => {})
  await clock.advanceBy(1_000)
  return { clock, fleet }
}

/** When the next probe can be had: the fleet's, or that of whoever is open alone. */
function claimable({ instances: [instance] }: TestedFleet, name: string): number {
  assert.ok(instance !== undefined)
  const { state } = instance.replica.position(name)
  return claimableAt(state) ?? instance.breaker(name).state.retryAt ?? 0
}
