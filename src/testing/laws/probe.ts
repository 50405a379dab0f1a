import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import type { BreakerEvent, Fact } from '../../machines/breaker-events.ts'
import { fold, unread, type Position } from '../../machines/fold.ts'
import type { StoredMessage } from '../../ports/event-log.ts'
import { fleetScripts, type FleetScript } from '../fleet-script.ts'
import type { Law } from '../law.ts'
import { playFleet } from '../play-fleet.ts'
import { logScripts, writeLog, type LogScript } from '../written-log.ts'
import { holderDies } from './probe-holder.ts'
import { released } from './probe-released.ts'

export type ProbeLawName = 'oneLease' | 'oneResult' | 'expired' | 'holderDies' | 'released'

const oneLease: Law<{ readonly script: FleetScript; readonly log: LogScript }> = {
  name: 'probe.one-lease',
  says: 'at most one lease is valid at any time, by clocks that differ by less than the grace, and a probe runs only within its own',
  cases: fc.record({
    script: fleetScripts({ faulty: true }),
    log: logScripts({ faults: ['forged', 'early', 'late'], stepsMax: 8, fromHalfOpen: true }),
  }),
  async holds({ script, log }) {
    assertApart(leasesIn(writeLog(log).messages))
    const played = await playFleet(script)
    await played.clock.advanceBy(5_000)
    const leases = leasesIn(played.fleet.stored)
    assertApart(leases)
    assert.equal(new Set(leases.map(({ token }) => token)).size, leases.length, 'two leases have the same token')
    let probes = 0
    for (const { instance, probe, scope, startedAt, abortedAt } of played.calls) {
      if (probe === undefined || scope === 'local') continue
      probes++
      const lease = leases.find(({ token }) => token === `${probe.term}.${probe.attempt}`)
      assert.ok(lease !== undefined && lease.holder === instance.name, `${instance.name} probed without a lease`)
      // Calls are noted by the true clock since the beginning, leases by the log's.
      assert.ok(startAt + startedAt < lease.until, `${instance.name} began to probe after its lease`)
      assert.ok(
        abortedAt === undefined || startAt + abortedAt < lease.until,
        `${instance.name} was not stopped in time`,
      )
    }
    return probes > 0 ? 'held' : 'notExercised'
  },
}

function assertApart(leases: readonly LeaseInLog[]): void {
  leases.forEach((lease, at) => {
    const next = leases[at + 1]
    if (next !== undefined) assert.ok(next.from >= lease.endedAt, `${lease.token} and ${next.token} are valid at once`)
  })
}

/** When the clock of a played fleet begins. */
const startAt = 1_000_000

const oneResult: Law<LogScript> = {
  name: 'probe.one-result',
  says: 'at most one result counts for a fence, whoever reports it and how often, and none for a fence that nobody holds',
  cases: logScripts({ faults: ['secondWinner', 'useless', 'forged'], fromHalfOpen: true }),
  holds(script) {
    const results = new Set<string>()
    let reported = 0
    for (const { event, accepted } of eventsIn(writeLog(script).messages)) {
      const fence = fenceOf(event.fact)
      if (fence === undefined) continue
      reported++
      if (!accepted) continue
      assert.equal(fence, event.before.lease?.fence, `${event.fact?.type} counts for a lease that nobody holds`)
      assert.ok(!results.has(fence), `the lease ${fence} has two results`)
      results.add(fence)
    }
    return reported > 0 ? 'held' : 'notExercised'
  },
}

const expired: Law<LogScript> = {
  name: 'probe.expired',
  says: 'what a holder says of its probe once its lease is over is discarded',
  cases: logScripts({ faults: ['late', 'late', 'behind'], fromHalfOpen: true }),
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
}

/** The laws of probes. */
export const probeLaws: Readonly<Record<ProbeLawName, Law>> = { oneLease, oneResult, expired, holderDies, released }

export interface LeaseInLog {
  readonly token: string
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
    const { holder, until, attempt } = lease
    // A claim that took over a lease that still held would have cut it short just now; that must show.
    if (current !== undefined && at < current.until && event.before.lease !== undefined)
      leases[leases.length - 1] = current
    leases.push({ token: `${term}.${attempt}`, holder, from: at, until, endedAt: until })
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
