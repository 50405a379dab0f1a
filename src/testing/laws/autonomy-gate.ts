import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { growingDelay } from '../../kernel/jitter.ts'
import { claimableAt } from '../../machines/breaker-decide.ts'
import { breakerSettings } from '../../machines/breaker-options.ts'
import { initialState, type FleetState, type Mode } from '../../machines/fleet-state.ts'
import { fold, unread, type Position } from '../../machines/fold.ts'
import { fleetScripts, type FleetScript, type FleetScriptOptions, type FleetStep } from '../fleet-script.ts'
import { fleetStory } from '../fleet-story.ts'
import type { Whereabouts } from '../instance-record.ts'
import type { Law } from '../law.ts'
import { playFleet, playStartAt, type PlayedFleet, type WorkCall } from '../play-fleet.ts'
import type { Subject } from '../verify/subject.ts'
import { onSubject, scriptsOf } from './on-subject.ts'

/** Logs that keep their promises to followers: what somebody has missed, nobody can hold against its gate. */
const scripts: FleetScriptOptions = { logs: ['sound', 'faulty', 'faulty', 'faulty'] }

/**
 * What an instance goes by while linked. The fold is that of a reader who has missed nothing, up to the message that the
 * log has delivered to the instance.
 */
export const loosenByFold: Law<FleetScript> = onSubject(({ fleets }) => ({
  name: 'autonomy.loosen-by-log',
  says: 'linked, an instance is never looser than the fold of what it was told, and lets nothing through that this forbids',
  cases: fleets(scripts),
  story: fleetStory,
  async holds(script) {
    const played = await playFleet(script)
    // Until the observer has heard everything of it as well; what is called after that, it may not have.
    const calls = [...played.calls]
    await played.clock.advanceBy(1_000)
    const folded = readerOf(played)
    let strict = 0
    for (const { instance, at, whereabouts, mode } of played.samples) {
      if (!whereabouts.linked) continue
      const fleet = folded(whereabouts)
      assert.ok(
        strictness[mode] >= strictness[fleet.mode],
        `${instance.name} is ${mode} at ${at}, the fold ${fleet.mode}`,
      )
      if (admitsNobody(fleet)) strict++
    }
    for (const call of calls) {
      const fleet = folded(call.whereabouts)
      if (!call.whereabouts.linked || !admitsNobody(fleet)) continue
      assert.ok(holdsLease(call, fleet), `${call.instance.name} let a call through at ${call.startedAt}: ${fleet.mode}`)
    }
    return strict > 0 ? 'held' : 'notExercised'
  },
}))

const cutting: FleetScriptOptions = {
  logs: ['faulty'],
  without: ['loseAnswers', 'holdAppends', 'landLate', 'repeatLast'],
  stepsMax: 16,
}

const unlinkedOn = (cases: fc.Arbitrary<FleetScript>): Law<FleetScript> => ({
  name: 'autonomy.unlinked',
  says: 'without a link an instance lets calls through that its fold forbids only as its own probes, one in a recovery time, or when these have passed; never under an order',
  story: fleetStory,
  cases,
  async holds(script) {
    const played = await playFleet(script)
    const folded = readerOf(played)
    const ownProbes = played.calls.filter(
      (call) => call.probe !== undefined && !holdsLease(call, folded(call.whereabouts)),
    )
    let loosened = 0
    for (const call of played.calls) {
      const fleet = folded(call.whereabouts)
      if (holdsLease(call, fleet)) continue
      if (call.probe !== undefined) assertInItsTime(call, fleet, ownProbes, script)
      if (call.whereabouts.linked || !admitsNobody(fleet) || isOver(fleet, call)) continue
      loosened++
      const where = `${call.instance.name} at ${call.startedAt}`
      assert.notEqual(fleet.mode, 'forcedOpen', `${where} let a call through under an order`)
      if (call.probe === undefined) assertClosedByItself(call, fleet, played, script)
    }
    return loosened > 0 ? 'held' : 'notExercised'
  },
})

/**
 * `autonomy.unlinked`. The rate: of each instance one local probe in a recovery time, which doubles with each that failed.
 * One that passed, where it takes several, or said nothing may be followed by the next at once.
 */
export const unlinked: Law<FleetScript> = {
  ...unlinkedOn(cutOff(fleetScripts(cutting))),
  for: (subject) => (subject.faults.includes('partition') ? whenCutOff(subject) : 'no link is cut, by `faults`'),
}

/** Nobody joins, and no log begins anew: what somebody does who has not caught up yet is not up to a configuration. */
function whenCutOff(subject: Subject): Law<FleetScript> {
  const without = [...(cutting.without ?? []), 'rewind' as const]
  return unlinkedOn(cutOff(scriptsOf(subject).fleets({ ...cutting, without, crashes: false })))
}

/** Half of them begin with an instance that is cut off once the fleet has opened, and calls when it may probe. */
function cutOff(scripts: fc.Arbitrary<FleetScript>): fc.Arbitrary<FleetScript> {
  const beginning: readonly FleetStep[] = [
    { do: 'outage', sick: 16, ms: 700 },
    { do: 'fault', at: 0, kind: 'cut' },
    { do: 'comeBack', up: true, end: 'auto', ms: 700 },
  ]
  return fc.tuple(scripts, fc.boolean()).map(([script, begins]) => {
    return begins ? { ...script, steps: [...beginning, ...script.steps] } : script
  })
}

/** What somebody who has missed nothing makes of a log, up to where an instance was. */
function readerOf({ epochs }: PlayedFleet): (whereabouts: Whereabouts) => FleetState {
  const logs = epochs.map((messages) => {
    let position: Position = unread
    return messages.map((message) => {
      position = fold(position, message).position
      return position
    })
  })
  return ({ epoch, seq }) => logs[epoch - 1]?.findLast((position) => position.seq <= seq)?.state ?? initialState
}

function admitsNobody({ mode }: FleetState): boolean {
  return mode !== 'closed' && mode !== 'disabled'
}

/** The fleet's own probe, which goes by the log also when the link goes down. */
function holdsLease({ instance, probe }: WorkCall, { term, lease }: FleetState): boolean {
  return lease?.holder === instance.name && probe?.term === term && probe.attempt === lease.attempt
}

/** An order whose time is over, by a clock that may run fast. */
function isOver({ order }: FleetState, { startedAt }: WorkCall): boolean {
  return order?.until !== undefined && playStartAt + startedAt * fastest + 1 >= order.until
}

/** How much faster than the true time the clocks of a script run at most. */
const fastest = 1.03

function assertClosedByItself(
  { instance, startedAt, whereabouts }: WorkCall,
  { passes }: FleetState,
  { calls }: PlayedFleet,
  { options }: FleetScript,
): void {
  const passed = calls.filter(
    (call) =>
      call.instance === instance &&
      call.probe !== undefined &&
      call.outcome === 'passed' &&
      (call.endedAt ?? Infinity) <= startedAt &&
      call.whereabouts.linkings <= whereabouts.linkings,
  ).length
  const needed = (options.probe?.successesToClose ?? 1) - passes
  assert.ok(
    passed >= needed,
    `${instance.name} let a call through at ${startedAt} after ${passed} passed probes of ${needed}`,
  )
}

function assertInItsTime(
  call: WorkCall,
  fleet: FleetState,
  ownProbes: readonly WorkCall[],
  { options }: FleetScript,
): void {
  const { instance, startedAt, whereabouts } = call
  const where = `${instance.name} probed at ${startedAt}`
  const trip = ownTrip(call)
  const byTrip = trip === undefined ? Infinity : trip.at + recoveryMsMin(options, trip.failed)
  const byFleet = trip?.inDoubt === false ? Infinity : fleetRetryAt(fleet) / fastest
  const earliest = Math.min(byTrip, byFleet)
  assert.ok(startedAt + 1 >= earliest, `${where}, ${earliest - startedAt} ms too early`)
  const before = ownProbes
    .slice(0, ownProbes.indexOf(call))
    .findLast(
      (other) =>
        other.instance === instance &&
        other.changes >= (trip?.inDoubt === false ? trip.change : fleetChange(call)) &&
        other.whereabouts.linkings === whereabouts.linkings,
    )
  if (before === undefined) return
  assert.ok(
    before.outcome === 'passed' || before.outcome === 'ignored',
    `${where}, in the recovery time of its last probe`,
  )
  assert.ok((before.endedAt ?? Infinity) <= startedAt, `${where}, while another was under way`)
}

/** How many changes it had told of when the fleet's word last changed. */
function fleetChange({ instance, changes }: WorkCall): number {
  return instance.transitions.slice(0, changes).findLastIndex(({ scope }) => scope === 'fleet') + 1
}

interface OwnTrip {
  readonly at: number
  /** Probes of its own that had failed since it first opened. */
  readonly failed: number
  /** How many changes it had told of with this one. */
  readonly change: number
  /** The fleet's word is about as old as the trip: it depends on the clock of the instance whether that ended it. */
  readonly inDoubt: boolean
}

/** When this instance last opened by itself, since the fleet's word changed: old news, told while it catches up, ends no trip. */
function ownTrip({ instance, changes }: WorkCall): OwnTrip | undefined {
  let trip: OwnTrip | undefined
  instance.transitions.slice(0, changes).forEach(({ scope, from, to, at: toldAt, trueAt }, at) => {
    if (scope === 'fleet') {
      if (trip === undefined) return
      const laterMs = toldAt - playStartAt - trip.at
      const doubtMs = trip.at * (fastest - 1) + 1
      if (laterMs > doubtMs) trip = undefined
      else if (laterMs >= -doubtMs) trip = { ...trip, inDoubt: true }
    } else if (to === 'closed') trip = undefined
    else if (to === 'open')
      trip = { at: trueAt, failed: from === 'halfOpen' ? (trip?.failed ?? 0) + 1 : 0, change: at + 1, inDoubt: false }
  })
  return trip
}

/** In true time, of which a fast clock takes less; with the least that the jitter leaves. */
function recoveryMsMin(options: FleetScript['options'], failed: number): number {
  return Math.floor(growingDelay(breakerSettings(options).recovery, failed, 0) / fastest)
}

/** When the fleet's own probe could have been claimed, which whoever takes over from it waits for as well. */
function fleetRetryAt(fleet: FleetState): number {
  return (claimableAt(fleet) ?? 0) - playStartAt
}

/** How little a mode lets through. */
export const strictness: Readonly<Record<Mode, number>> = Object.freeze({
  disabled: 0,
  closed: 1,
  halfOpen: 2,
  open: 3,
  forcedOpen: 4,
})
