import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { fold, unread, type Position } from '../../machines/fold.ts'
import type { StoredMessage } from '../../ports/event-log.ts'
import { fleetOfBreakers, type TestedInstance } from '../fleet-of-breakers.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { simulatedLog } from '../simulated-log.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'
import { bytesOf } from './breaker-fold.ts'

interface ReconcileStep {
  /** Who acts: the one without a link, or one of those that are linked. */
  readonly who: 'cut off' | 'linked'
  readonly do: 'fails' | 'passes' | 'forceOpen' | 'disable' | 'release'
  readonly thenMs: number
}

interface ReconcileCase {
  readonly seed: number
  readonly latencyMs: number
  readonly quorum: number
  /** Before the link goes down, and while it is. */
  readonly before: readonly ReconcileStep[]
  readonly meanwhile: readonly ReconcileStep[]
}

const name = 'smtp'
const startAt = 1_000_000
const recoveryTimeoutMs = 2_000
const recoveryMsMax = 8_000
/** Moments that are closer to each other are taken as one, of which this law says nothing. */
const marginMs = 300

/**
 * `autonomy.reconcile`. Local facts are an instance's own trip; stale are those that are older than their recovery time,
 * and those from before the fleet last changed its mode. What the fleet says is read by somebody who has missed nothing.
 */
export const reconcile: Law<ReconcileCase> = {
  name: 'autonomy.reconcile',
  says: 'relinked, an instance goes by the fleet that is not closed, orders above all; a trip of its own is told while it is fresh, and never when the fleet has moved since',
  cases: fc.record({
    seed: fc.nat(),
    latencyMs: fc.constantFrom(0, 5, 40),
    quorum: fc.constantFrom(1, 1, 2),
    before: fc.array(reconcileSteps(), { maxLength: 3 }),
    meanwhile: fc.array(reconcileSteps(), { minLength: 1, maxLength: 6, size: 'max' }),
  }),
  async holds({ seed, latencyMs, quorum, before, meanwhile }) {
    const clock = virtualClock({ startAt })
    const random = seededRandom(seed)
    const log = simulatedLog({ clock, random, latencyMs: { min: 0, max: latencyMs } })
    const options = {
      failureThreshold: 1,
      quorum,
      recoveryTimeoutMs,
      recoveryBackoff: { jitter: 'none', maxMs: recoveryMsMax },
      probe: { leaseMs: 1_000 },
    } as const
    const fleet = fleetOfBreakers({ instances: 3, clockOf: () => clock, random, log, options })
    const [alone, linked] = fleet.instances
    assert.ok(alone !== undefined && linked !== undefined)
    for (const { breaker } of fleet.instances) breaker(name)
    await clock.advanceBy(latencyMs * 2)
    for (const step of before) await act(clock, step.who === 'linked' ? linked : alone, step)
    await clock.advanceBy(marginMs)
    log.cut(alone.name)
    await clock.settle()
    for (const step of meanwhile) await act(clock, step.who === 'linked' ? linked : alone, step)
    await clock.advanceBy(marginMs)

    const told = read(log.stored(name))
    const trip = ownTrip(alone)
    const said = alone.record.appends.length
    log.heal(alone.name)
    const healedAt = clock.monotonic()
    await clock.advanceBy(marginMs + latencyMs * 6)

    const now = read(log.stored(name))
    const { mode, scope } = alone.breaker(name).state
    const appended = alone.record.appends.length - said
    if (told.state.mode !== 'closed') {
      assert.deepEqual([mode, scope], [told.state.mode, 'fleet'], 'it does not go by what the fleet says')
      assert.deepEqual([appended, bytesOf(now.state)], [0, bytesOf(told.state)], 'the fleet was moved')
      return 'held'
    }
    const sinceChangeMs = trip === undefined ? 0 : trip.at - (told.changedAt - startAt)
    if (trip === undefined || sinceChangeMs < -marginMs) {
      assert.deepEqual([mode, appended], ['closed', 0], 'it holds on to what the fleet has decided since')
      return trip === undefined && meanwhile.length < 2 ? 'notExercised' : 'held'
    }
    const freshForMs = trip.at + trip.recoveryMs - healedAt
    if (Math.abs(freshForMs) < marginMs || sinceChangeMs < marginMs) return 'notExercised'
    if (freshForMs < 0) {
      assert.deepEqual([scope, appended], ['local', 0], 'a stale trip was told')
      assert.equal(mode, 'open')
    } else {
      const { votes } = now.state
      assert.ok(
        now.state.mode === 'open' || votes.some(({ voter }) => voter === alone.name),
        'a fresh trip was not told',
      )
      assert.notEqual(mode, 'closed')
      assert.ok(now.state.term - told.state.term <= 1, 'it moved the fleet more than once')
    }
    return 'held'
  },
}

/** One act, and time that passes after it. */
async function act(clock: VirtualClock, { breaker }: TestedInstance, step: ReconcileStep): Promise<void> {
  const order = { by: 'an operator', reason: step.do }
  const guarded = breaker(name)
  const acting =
    step.do === 'passes' || step.do === 'fails'
      ? guarded.run(() => (step.do === 'passes' ? Promise.resolve() : Promise.reject(new Error('down'))))
      : guarded[step.do](order)
  acting.catch(() => {})
  await clock.advanceBy(step.thenMs)
}

/** Where the fleet is, and when its mode last changed, by the log. */
function read(messages: readonly StoredMessage[]): { readonly state: Position['state']; readonly changedAt: number } {
  let position: Position = unread
  let changedAt = 0
  for (const message of messages) {
    const { mode, term } = position.state
    position = fold(position, message).position
    if (position.state.mode !== mode || position.state.term !== term) changedAt = message.at
  }
  return { state: position.state, changedAt }
}

/** Its own trip that stands, as it was told to whoever watches. */
function ownTrip({
  breaker,
  transitions,
}: TestedInstance): { readonly at: number; readonly recoveryMs: number } | undefined {
  const { mode, scope, failedRecoveries } = breaker(name).state
  const last = transitions.at(-1)
  if (mode !== 'open' || scope !== 'local' || last?.scope !== 'local' || last.to !== 'open') return undefined
  return { at: last.trueAt, recoveryMs: Math.min(recoveryMsMax, recoveryTimeoutMs * 2 ** failedRecoveries) }
}

/** Orders of the one without a link would wait for it, so only the others give some. */
function reconcileSteps(): fc.Arbitrary<ReconcileStep> {
  const thenMs = fc.constantFrom(100, 500, 700, 2_500, 5_000)
  const calls = fc.constantFrom('fails', 'fails', 'passes')
  return fc.oneof(
    { weight: 5, arbitrary: fc.record({ who: fc.constant('cut off'), do: calls, thenMs }) },
    { weight: 3, arbitrary: fc.record({ who: fc.constant('linked'), do: calls, thenMs }) },
    {
      weight: 2,
      arbitrary: fc.record({
        who: fc.constant('linked'),
        do: fc.constantFrom('forceOpen', 'disable', 'release', 'release'),
        thenMs,
      }),
    },
  ) as fc.Arbitrary<ReconcileStep>
}
