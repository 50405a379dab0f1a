import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import type { BreakerEvent, Fact } from '../../machines/breaker-events.ts'
import { fold, unread, type Position } from '../../machines/fold.ts'
import type { StoredMessage } from '../../ports/event-log.ts'
import type { FleetScript } from '../fleet-script.ts'
import { fleetStory } from '../fleet-story.ts'
import type { Law } from '../law.ts'
import { playFleet, playStartAt, type PlayedFleet } from '../play-fleet.ts'
import { writeLog, type LogScript } from '../written-log.ts'
import { onSubject } from './on-subject.ts'
import { holderDies } from './probe-holder.ts'
import { released } from './probe-released.ts'

export type ProbeLawName = 'oneLease' | 'oneResult' | 'expired' | 'holderDies' | 'released'

/**
 * In each log by itself: the tail that a truncated one lost may have held a lease. What was sent to a log that is gone
 * and lands in the next one is of that tail as well.
 */
const oneLease: Law<{ readonly script: FleetScript; readonly log: LogScript }> = onSubject(({ fleets, logs }) => ({
  name: 'probe.one-lease',
  says: 'at most one lease is valid at any time, by clocks that differ by less than the grace, and a probe runs only within its own',
  story: ({ script }) => fleetStory(script),
  cases: fc.record({
    script: fleets({ logs: ['sound', 'faulty', 'lossy'] }),
    log: logs({ faults: ['forged', 'early', 'late'], stepsMax: 8, fromHalfOpen: true }),
  }),
  async holds({ script, log }) {
    assertApart(leasesIn(writeLog(log).messages))
    const played = await playFleet(script)
    await played.clock.advanceBy(5_000)
    const isOfLostTail = (fence: string): boolean => sentTo(played, fence) < firstLogWith(played, fence)
    const logs = played.epochs.map(leasesIn)
    for (const leases of logs) {
      assertApart(leases, isOfLostTail)
      const tokens = leases.filter(({ fence }) => !isOfLostTail(fence)).map(({ token }) => token)
      assert.equal(new Set(tokens).size, tokens.length, 'two leases have the same token')
    }
    let probes = 0
    for (const { instance, probe, scope, startedAt, abortedAt } of played.calls) {
      if (probe === undefined || scope === 'local') continue
      probes++
      const own = logs
        .flat()
        .filter(({ token, holder }) => token === `${probe.term}.${probe.attempt}` && holder === instance.name)
      assert.ok(own.length > 0, `${instance.name} probed without a lease`)
      // Calls are noted by the true clock since the beginning, leases by the log's.
      const until = Math.max(...own.map((lease) => lease.until)) - playStartAt
      assert.ok(startedAt < until, `${instance.name} began to probe after its lease`)
      assert.ok(abortedAt === undefined || abortedAt < until, `${instance.name} was not stopped in time`)
    }
    return probes > 0 ? 'held' : 'notExercised'
  },
}))

/** Which log an event was sent to. */
function sentTo({ fleet }: PlayedFleet, id: string): number {
  const sent = fleet.instances.flatMap(({ record }) => record.appends).find(({ message }) => message.id === id)
  return sent?.whereabouts.epoch ?? 0
}

function firstLogWith({ epochs }: PlayedFleet, id: string): number {
  return epochs.findIndex((messages) => messages.some((message) => message.id === id)) + 1
}

function assertApart(leases: readonly LeaseInLog[], excepted: (fence: string) => boolean = () => false): void {
  leases.forEach((lease, at) => {
    const next = leases[at + 1]
    if (next !== undefined && !excepted(next.fence))
      assert.ok(next.from >= lease.endedAt, `${lease.token} and ${next.token} are valid at once`)
  })
}

/**
 * In each log by itself: of a result that a truncated log has lost, the next one cannot know.
 */
const oneResult: Law<{ readonly script: FleetScript; readonly log: LogScript }> = onSubject(({ fleets, logs }) => ({
  name: 'probe.one-result',
  says: 'at most one result counts for a fence, whoever reports it and how often, and none for a fence that nobody holds',
  story: ({ script }) => fleetStory(script),
  cases: fc.record({
    script: fleets({ logs: ['faulty', 'lossy'] }),
    log: logs({ faults: ['secondWinner', 'useless', 'forged'], fromHalfOpen: true }),
  }),
  async holds({ script, log }) {
    const { epochs } = await playFleet(script)
    const reported = [writeLog(log).messages, ...epochs].map(resultsIn).reduce((sum, results) => sum + results, 0)
    return reported > 0 ? 'held' : 'notExercised'
  },
}))

/** How many results were reported; throws where two count for one fence. */
function resultsIn(messages: readonly StoredMessage[]): number {
  const counted = new Set<string>()
  let reported = 0
  for (const { event, accepted } of eventsIn(messages)) {
    const fence = fenceOf(event.fact)
    if (fence === undefined) continue
    reported++
    if (!accepted) continue
    assert.equal(fence, event.before.lease?.fence, `${event.fact?.type} counts for a lease that nobody holds`)
    assert.ok(!counted.has(fence), `the lease ${fence} has two results`)
    counted.add(fence)
  }
  return reported
}

/** Tried on written logs alone: in a played one a result after its lease is rare, and none is better than another. */
const expired: Law<LogScript> = onSubject(({ logs }) => ({
  name: 'probe.expired',
  says: 'what a holder says of its probe once its lease is over is discarded',
  cases: logs({ faults: ['late', 'late', 'behind'], fromHalfOpen: true }),
  holds(script) {
    let overran = 0
    for (const { event, accepted, at } of eventsIn(writeLog(script).messages)) {
      const { lease } = event.before
      // A release says nothing of the dependency, and is welcome also when it is late.
      const isResult = fenceOf(event.fact) !== undefined && event.fact?.type !== 'probeReleased'
      if (!isResult || lease === undefined || at < lease.until) continue
      overran++
      assert.ok(!accepted, `${event.fact?.type} at ${at} counts, although the lease ended at ${lease.until}`)
    }
    return overran > 0 ? 'held' : 'notExercised'
  },
}))

/** The laws of probes. */
export const probeLaws: Readonly<Record<ProbeLawName, Law>> = { oneLease, oneResult, expired, holderDies, released }

export interface LeaseInLog {
  readonly token: string
  /** The id of its claim. */
  readonly fence: string
  readonly holder: string
  readonly from: number
  readonly until: number
  /** When it was over: at its end, or with the event that ended it before. */
  readonly endedAt: number
}

/** The leases that a log gave, in its own time. */
export function leasesIn(messages: readonly StoredMessage[]): readonly LeaseInLog[] {
  const leases: LeaseInLog[] = []
  for (const { event, accepted, at, position } of eventsIn(messages)) {
    if (!accepted) continue
    const current = leases.at(-1)
    if (current !== undefined && at < current.endedAt) leases[leases.length - 1] = { ...current, endedAt: at }
    const { lease, term } = position.state
    if (event.fact?.type !== 'probeClaimed' || lease === undefined) continue
    const { fence, holder, until, attempt } = lease
    // A claim that took over a lease that still held would have cut it short just now; that must show.
    if (current !== undefined && at < current.until && event.before.lease !== undefined)
      leases[leases.length - 1] = current
    leases.push({ token: `${term}.${attempt}`, fence, holder, from: at, until, endedAt: until })
  }
  return leases
}

interface EventInLog {
  readonly event: BreakerEvent
  readonly accepted: boolean
  readonly at: number
  readonly position: Position
}

function eventsIn(messages: readonly StoredMessage[]): readonly EventInLog[] {
  let position: Position = unread
  return messages.flatMap((message) => {
    const folded = fold(position, message)
    position = folded.position
    const { event, accepted } = folded.verdict
    return event === undefined ? [] : [{ event, accepted, at: message.at, position }]
  })
}

function fenceOf(fact: Fact | undefined): string | undefined {
  return fact !== undefined && 'fence' in fact ? fact.fence : undefined
}
