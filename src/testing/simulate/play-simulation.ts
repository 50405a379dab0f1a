import { decodeEvent } from '../../machines/breaker-codec.ts'
import { breakerSettings, type BreakerSettings } from '../../machines/breaker-options.ts'
import type { Mode } from '../../machines/fleet-state.ts'
import { fold, unread } from '../../machines/fold.ts'
import type { EventLog } from '../../ports/event-log.ts'
import { seededRandom } from '../seeded-random.ts'
import { callRules } from './call-rules.ts'
import { arrivalsOf, chanceOf } from './chance.ts'
import { dependencyOf } from './dependency.ts'
import { fleetModes, type FleetModes } from './fleet-modes.ts'
import { guardedCalls, type GuardedCalls } from './guarded-calls.ts'
import { whatIsBroken, type Broken } from './healed.ts'
import { simulatedFleet, type Happened, type SimulatedFleet } from './simulated-fleet.ts'
import { afterwardsMs, type SimulationPlan } from './simulation-plan.ts'
import { bucketMsFor, type Tally } from './tally.ts'
import { tickClock, type TickClock } from './tick-clock.ts'
import { traceHash, type TraceHash } from './trace-hash.ts'
import { playUnprotected } from './unprotected.ts'

/** A change that the whole fleet took, as it stands in its log. */
export interface FleetChange {
  readonly atMs: number
  readonly from: Mode
  readonly to: Mode
  readonly by: string
  readonly reason: string
}

/** What a run came to. */
export interface PlayedSimulation extends PlayedGuarded {
  readonly unprotected: Tally
}

/** What it came to with Switchgear. */
export interface PlayedGuarded {
  readonly plan: SimulationPlan
  readonly traceHash: string
  /** When calls stopped, in ms. */
  readonly endMs: number
  readonly bucketMs: number
  readonly guarded: Tally
  readonly modes: FleetModes
  readonly happened: readonly Happened[]
  readonly fleetChanges: readonly FleetChange[]
  /** Changes of instances by themselves: `closed → open`, and how often. */
  readonly localChanges: ReadonlyMap<string, number>
  readonly broken: readonly Broken[]
}

/** Mistakes that are planted, to see that they are found. */
export interface Plants {
  /** What instances have instead of the log. */
  readonly log?: (log: EventLog) => EventLog
}

/** When a simulated world begins, in ms since the epoch. */
const startAt = 1_000_000_000
/** Streams of chance that have nothing to do with each other. */
const streams = Object.freeze({ guarded: 1, unprotected: 2, retries: 3 })
/** Calls go on for so long after the fleet has recovered, in ms, where that takes longer than usual. */
const recoveredMs = 5_000
const quietMs = 30_000
const redriveEveryMs = 100

/** Plays a plan, and the same calls without protection. */
export async function playSimulation(plan: SimulationPlan): Promise<PlayedSimulation> {
  const played = await playGuarded(plan)
  return { ...played, unprotected: unprotectedOf(plan, played.endMs, played.bucketMs) }
}

/** Plays a plan from the start to the end: trouble, recovery, healing, and the dead letters sent again. */
export async function playGuarded(plan: SimulationPlan, plants: Plants = {}): Promise<PlayedGuarded> {
  const world = buildWorld(plan, plants)
  const endMs = await playCalls(world)
  await healAndQuiet(world, endMs)
  const { calls, fleet, hash, modes, bucketMs } = world
  for (const { atMs, kind, instance } of fleet.happened) hash.addText(`${atMs} ${kind} ${instance}`)
  for (const messages of fleet.log.archive) for (const { id, at } of messages) hash.addText(`${at} ${id}`)
  return {
    plan,
    endMs,
    bucketMs,
    guarded: calls.tally,
    modes,
    happened: fleet.happened,
    fleetChanges: changesInLog(fleet),
    localChanges: localChangesOf(fleet),
    broken: whatIsBroken(fleet, calls, plan, modes),
    traceHash: hash.digest(),
  }
}

interface World {
  readonly plan: SimulationPlan
  readonly clock: TickClock
  readonly fleet: SimulatedFleet
  readonly calls: GuardedCalls
  readonly modes: FleetModes
  readonly hash: TraceHash
  readonly bucketMs: number
  /** Calls stop here, in ms, if the fleet has not recovered before. */
  readonly lastMs: number
  /** When they do stop; known once it has recovered. */
  readonly end: { ms: number }
}

function buildWorld(plan: SimulationPlan, { log = (simulated) => simulated }: Plants): World {
  const { seed, instances, scenario, retry, deadlineMs } = plan
  const clock = tickClock(startAt)
  const random = seededRandom(seed + 0.5)
  const hash = traceHash()
  const dependency = dependencyOf(scenario, instances, chanceOf(seed, streams.guarded))
  const settings = breakerSettings(plan.breaker)
  const usualMs = dependency.wellFrom + afterwardsMs
  const lastMs = usualMs + longestRecoveryMs(settings, scenario.forMs)
  const bucketMs = bucketMsFor(usualMs)
  const rulesOptions = { retry, deadlineMs, timeoutMs: settings.timeoutMs, clock, random }
  const rules = callRules(rulesOptions)
  const { check } = plan.breaker.probe ?? {}
  const world: { calls?: GuardedCalls; modes?: FleetModes } = {}
  const end = { ms: lastMs }
  const fleet = simulatedFleet({
    instances,
    breaker: scenario.of,
    clock,
    random,
    faults: plan.faults,
    planted: log,
    // The user's own check would ask the real dependency.
    optionsOf: (place) =>
      check === undefined
        ? plan.breaker
        : { ...plan.breaker, probe: { ...plan.breaker.probe, check: () => world.calls?.check(place) ?? never } },
    // A budget is a process's own.
    rulesOf: () => (retry?.budget === undefined ? rules : callRules(rulesOptions)),
    changed(place) {
      world.calls?.gateChanged(place)
      world.modes?.changed(place)
    },
    crashed: (place) => world.calls?.crashed(place),
  })
  const calls = guardedCalls({
    sites: fleet.sites,
    untilMs: () => end.ms,
    lateAfterMs: scenario.lateAfterMs,
    arrivals: arrivalsOf(seed, instances, scenario.callsPerSecond),
    dependency,
    hash,
    bucketMs,
    timelineMs: lastMs,
  })
  const modes = fleetModes(fleet.sites, dependency, scenario.fromMs, hash)
  world.calls = calls
  world.modes = modes
  return { plan, clock, fleet, calls, modes, hash, bucketMs, lastMs, end }
}

/** Recoveries grow with the trouble that they failed in: three of the longest that can have begun in it, and their leases. */
function longestRecoveryMs({ recovery, leaseMs }: BreakerSettings, forMs: number): number {
  return 3 * (Math.min(recovery.maxMs, recovery.baseMs + recovery.multiplier * forMs) + leaseMs)
}

const never = new Promise<never>(() => {})

/** Until the fleet has recovered. */
async function playCalls(world: World): Promise<number> {
  const { plan, clock, fleet, calls, modes, lastMs, end } = world
  const usualMs = plan.scenario.fromMs + plan.scenario.forMs + afterwardsMs
  await clock.settle()
  let tick = 0
  for (; tick < end.ms; tick++) {
    const fired = clock.moveTo(tick)
    if (fired !== undefined) await fired
    fleet.onTick(tick)
    const isBusy = calls.onTick(tick)
    if (isBusy || clock.isBusy) await clock.settle()
    modes.onTick(tick)
    if (end.ms === lastMs && modes.recoveredAt !== undefined)
      end.ms = Math.min(lastMs, Math.max(usualMs, tick + recoveredMs))
  }
  return tick
}

/** Ends all faults, waits for what is under way, sends the dead letters again, and then lets nothing happen for a while. */
async function healAndQuiet({ clock, fleet, calls, modes }: World, endMs: number): Promise<void> {
  fleet.heal()
  await clock.settle()
  let quietSince = endMs
  const redriven = 300
  for (let tick = endMs + 1; tick - quietSince < quietMs && tick - endMs < 600_000; tick++) {
    const fired = clock.moveTo(tick)
    if (fired !== undefined) await fired
    const isBusy = calls.onTick(tick)
    if (tick % redriveEveryMs === 0 && calls.letters > 0) {
      const share = Math.max(10, Math.ceil(calls.letters / fleet.sites.length / redriven))
      for (let place = 0; place < fleet.sites.length; place++) calls.redrive(place, share, tick)
    }
    if (isBusy || clock.isBusy) await clock.settle()
    modes.onTick(tick)
    if (calls.underWay > 0 || calls.letters > 0) quietSince = tick
  }
}

function unprotectedOf(plan: SimulationPlan, untilMs: number, bucketMs: number): Tally {
  const { seed, instances, scenario, deadlineMs } = plan
  const { budget: _, ...retry } = plan.retry ?? {}
  const { timeoutMs } = breakerSettings(plan.breaker)
  const rules = callRules({
    retry,
    deadlineMs,
    timeoutMs,
    clock: tickClock(startAt),
    random: { next: chanceOf(seed, streams.retries) },
  })
  return playUnprotected({
    instances,
    untilMs,
    lateAfterMs: scenario.lateAfterMs,
    arrivals: arrivalsOf(seed, instances, scenario.callsPerSecond),
    dependency: dependencyOf(scenario, instances, chanceOf(seed, streams.unprotected)),
    rulesOf: () => rules,
    faults: plan.faults,
    bucketMs,
  })
}

/** What every log that there was has accepted, once each. */
function changesInLog({ log }: SimulatedFleet): readonly FleetChange[] {
  const changes = new Map<string, FleetChange>()
  for (const messages of log.archive) {
    let position = unread
    for (const message of messages) {
      const folded = fold(position, message)
      position = folded.position
      if (!folded.verdict.accepted) continue
      const { from, to, by, reason } = decodeEvent(message.data)
      changes.set(message.id, { atMs: message.at - startAt, from, to, by, reason })
    }
  }
  return [...changes.values()].toSorted((one, other) => one.atMs - other.atMs)
}

function localChangesOf({ sites }: SimulatedFleet): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { process } of sites)
    for (const { scope, from, to } of process.instance.transitions) {
      if (scope !== 'local') continue
      const what = `${from} → ${to}`
      counts.set(what, (counts.get(what) ?? 0) + 1)
    }
  return counts
}
