import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import { fold, unread, type Position } from '../../machines/fold.ts'
import { voteFreshMs } from '../../machines/fleet-state.ts'
import { fleetOfBreakers } from '../fleet-of-breakers.ts'
import type { StoredMessage } from '../../ports/event-log.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { virtualClock } from '../virtual-clock.ts'
import { logScripts, writeLog, type LogScript } from '../written-log.ts'

interface QuorumCase {
  readonly seed: number
  readonly quorum: number
  readonly healthy: number
  /** When each sick instance trips, in ms after the one before. */
  readonly gapsMs: readonly number[]
  readonly latencyMs: number
  /** A log in which somebody opens without the votes. */
  readonly log: LogScript
}

const name = 'smtp'

/**
 * `fleet.quorum`. That an opening counts only with its votes is tried on forged logs; that so many voters open the fleet
 * in time holds for a log that keeps its promises and answers everybody.
 */
export const quorum: Law<QuorumCase> = {
  ...quorumOf([2, 3, 4]),
  for({ breakers }) {
    const quorums = breakers.map(({ settings }) => settings.quorum).filter((k) => k > 1)
    return quorums.length === 0 ? 'no breaker has a quorum' : quorumOf(quorums)
  },
}

function quorumOf(quorums: readonly number[]): Law<QuorumCase> {
  const voters = Math.max(4, ...quorums.map((k) => k + 1))
  return {
    name: 'fleet.quorum',
    says: 'an `opened` counts only with as many distinct fresh votes as its quorum; that many voters open the fleet, fewer only themselves',
    cases: fc.record({
      seed: fc.nat(),
      quorum: fc.constantFrom(...quorums),
      healthy: fc.integer({ min: 1, max: 2 }),
      gapsMs: fc.array(fc.constantFrom(0, 1, 40, 500, 10_000, 29_000, 31_000, 59_000, 61_000), {
        minLength: Math.max(1, Math.min(...quorums) - 2),
        maxLength: voters,
      }),
      latencyMs: fc.constantFrom(0, 5, 120),
      log: logScripts({ faults: ['forged'], stepsMax: 8 }),
    }),
    async holds({ seed, quorum: k, healthy, gapsMs, latencyMs, log: forged }) {
      hasOpened(writeLog(forged).messages)
      const clock = virtualClock({ startAt: 1_000_000 })
      const random = seededRandom(seed)
      const log = memoryLog({ clock, random, ...(latencyMs > 0 && { latencyMs: { min: 0, max: latencyMs } }) })
      // A long recovery, so that nobody recovers, and votes again, within the case.
      const options = { failureThreshold: 1, quorum: k, recoveryTimeoutMs: 3_600_000 }
      const fleet = fleetOfBreakers({ instances: healthy + gapsMs.length, clockOf: () => clock, random, log, options })
      await clock.advanceBy(latencyMs * 2)
      for (const [at, gapMs] of gapsMs.entries()) {
        await clock.advanceBy(gapMs)
        const sick = fleet.instances[at]?.breaker(name)
        await sick?.run(() => Promise.reject(new Error('down'))).catch(() => {})
        assert.notEqual(sick?.state.mode, 'closed', 'the sick one itself is open at once')
      }
      await clock.advanceBy(1_000 + latencyMs * 6)

      const opened = hasOpened(fleet.stored)
      const margin = 200 + latencyMs * 4
      const widest = widestGroup(gapsMs, voteFreshMs - margin)
      if (widest >= k) assert.ok(opened, `${widest} voters within a minute did not open the fleet`)
      if (widestGroup(gapsMs, voteFreshMs + margin) < k) assert.ok(!opened, 'it opened without a quorum')
      for (const { name: instance, breaker } of fleet.instances.slice(gapsMs.length))
        assert.equal(breaker(name).state.mode, opened ? 'open' : 'closed', `${instance}, which is healthy`)
      return gapsMs.length >= k || gapsMs.length === k - 1 ? 'held' : 'notExercised'
    },
  }
}

/** Whether a log has opened a breaker; throws where it has done so without the votes. */
function hasOpened(messages: readonly StoredMessage[]): boolean {
  let opened = false
  let position: Position = unread
  for (const message of messages) {
    const before = position.state
    const { position: next, verdict } = fold(position, message)
    position = next
    if (!verdict.accepted || verdict.event.fact?.type !== 'opened') continue
    opened = true
    const { quorum: needed } = verdict.event.fact
    const fresh = before.votes.filter(({ at }) => message.at - at <= voteFreshMs)
    const voters = new Set(fresh.map(({ voter }) => voter)).size
    assert.ok(needed <= 1 || voters >= needed, `it opened on ${voters} votes of ${needed}`)
  }
  return opened
}

/** The most trips within so many ms. */
function widestGroup(gapsMs: readonly number[], withinMs: number): number {
  let now = 0
  const times = gapsMs.map((gapMs) => (now += gapMs))
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at - from <= withinMs).length))
}
