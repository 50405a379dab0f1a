import type { BreakerOptions } from '../../machines/breaker-options.ts'
import type { CircuitBreaker } from '../../machines/breaker.ts'
import type { EventLog } from '../../ports/event-log.ts'
import type { Random } from '../../ports/random.ts'
import { simulatedLog, type SimulatedLog } from '../simulated-log.ts'
import type { CallRules } from './call-rules.ts'
import type { FaultKind, PlannedFault } from './fault-plan.ts'
import type { CallSite } from './guarded-calls.ts'
import { startProcess, type Process } from './process.ts'
import type { TickClock } from './tick-clock.ts'

export interface SimulatedFleetOptions {
  readonly instances: number
  readonly breaker: string
  readonly clock: TickClock
  readonly random: Random
  readonly faults: readonly PlannedFault[]
  /** What instances have instead of the log. */
  planted(log: EventLog): EventLog
  optionsOf(place: number): BreakerOptions
  rulesOf(place: number): CallRules
  /** The gate of this instance may have changed. */
  changed(place: number): void
  crashed(place: number): void
}

/** Where an instance runs: a process that can be replaced by another one. */
export interface Site extends CallSite {
  readonly name: string
  readonly process: Process
}

/** Something that went wrong, at the moment that it did. */
export interface Happened {
  readonly atMs: number
  readonly kind: FaultKind | 'restart'
  readonly instance: string
}

export interface SimulatedFleet {
  readonly sites: readonly Site[]
  readonly log: SimulatedLog
  /** Every fault that came to pass, in order; of the same kind at the same instance, the first in a second. */
  readonly happened: readonly Happened[]
  /** Begins and ends the faults that are due. */
  onTick(tick: number): void
  /** Ends all that is wrong. */
  heal(): void
}

/** How long a message takes to the log and from it, in ms. */
const latencyMs = Object.freeze({ min: 1, max: 8 })
/** How long an append that lands late is on its way, in ms. */
const lateMs = 3_000

/** The instances, their log, and what goes wrong between and in them. */
export function simulatedFleet(options: SimulatedFleetOptions): SimulatedFleet {
  const { breaker, clock, random, faults, instances } = options
  const happened: Happened[] = []
  const lastAt = new Map<string, number>()
  const log = simulatedLog({ clock, random, latencyMs, onFault: note })
  const onNextAppend: ('loseAnswers' | 'holdAppends' | 'mute')[] = []
  const sites: MutableSite[] = []
  let landAt = Infinity
  for (let place = 0; place < instances; place++) sites.push(startSite(place))
  for (const { kind, place } of faults)
    if (kind === 'clockOffset' || kind === 'clockDrift') note(kind, sites[place]?.name ?? '')
  const due = [...faults.flatMap(phasesOf)].toSorted((one, other) => one.atMs - other.atMs)
  let next = 0

  return {
    sites,
    log,
    happened,
    onTick(tick) {
      for (let phase = due[next]; phase !== undefined && phase.atMs <= tick; phase = due[next]) {
        next++
        phase.run()
      }
      if (tick >= landAt) {
        landAt = Infinity
        log.landLate()
      }
    },
    heal() {
      next = due.length
      onNextAppend.length = 0
      log.landLate()
      for (const [place, site] of sites.entries()) {
        if (!site.up) restart(place)
        if (site.process.paused) goOn(place)
        // Whoever missed the last message of all learns of it by the next heartbeat, as one does that was deaf.
        if (faults.some((fault) => fault.place === place && isOfLink(fault.kind))) log.deafen(site.name)
        log.heal(site.name)
      }
    },
  }

  function note(kind: Happened['kind'], instance: string): void {
    const what = `${kind} ${instance}`
    const atMs = clock.monotonic()
    if (atMs - (lastAt.get(what) ?? -Infinity) < 1_000) return
    lastAt.set(what, atMs)
    happened.push({ atMs, kind, instance })
  }

  function startSite(place: number): MutableSite {
    const name = `instance ${place}`
    const process = start(place, name)
    return {
      name,
      process,
      breaker: process.instance.breaker(breaker),
      rules: options.rulesOf(place),
      up: true,
      pausedUntil: undefined,
    }
  }

  function start(place: number, name: string): Process {
    const of = (kind: FaultKind): number =>
      faults.find((fault) => fault.place === place && fault.kind === kind)?.size ?? 0
    return startProcess({
      name,
      clock,
      log: options.planted(hurting(log)),
      random,
      options: options.optionsOf(place),
      epoch: () => log.epoch,
      offsetMs: of('clockOffset'),
      rate: 1 + of('clockDrift'),
      changed: () => options.changed(place),
    })
  }

  /** The log, for faults that wait for somebody to append something. */
  function hurting(log: SimulatedLog): EventLog {
    return {
      join(member, follower) {
        const membership = log.join(member, follower)
        return {
          ...membership,
          append(message) {
            const harm = onNextAppend.shift()
            if (harm === 'mute') {
              log.mute(member.instance)
              clock.setTimeout(
                () => sites.some(({ name, up }) => up && name === member.instance) && log.heal(member.instance),
                lateMs,
              )
            } else if (harm !== undefined) log[harm](member.instance, 1)
            if (harm === 'holdAppends') landAt = clock.monotonic() + lateMs
            return membership.append(message)
          },
        }
      },
    }
  }

  function phasesOf(fault: PlannedFault): readonly Phase[] {
    const { atMs, forMs, place } = fault
    const begin: Phase = { atMs, run: () => injure(fault) }
    switch (fault.kind) {
      case 'delay':
      case 'partition':
      case 'partitionIn':
        return [begin, { atMs: atMs + forMs, run: () => sites[place]?.up && log.heal(sites[place].name) }]
      case 'crash':
        return [begin, { atMs: atMs + forMs, run: () => restart(place) }]
      case 'pause':
        return [begin, { atMs: atMs + forMs, run: () => goOn(place) }]
      case 'clockOffset':
      case 'clockDrift':
        return []
      default:
        return [begin]
    }
  }

  function injure({ kind, place, forMs, size }: PlannedFault): void {
    const site = sites[place]
    if (site === undefined || !site.up) return
    switch (kind) {
      case 'delay':
        return log.slow(site.name, size)
      case 'loss':
        return log.loseMessages(site.name, 1)
      case 'duplication':
        return log.repeatLast(site.name)
      case 'reordering':
        return log.swapMessages(site.name, 1)
      case 'partition':
        return log.cut(site.name)
      case 'partitionIn':
        return log.deafen(site.name)
      case 'partitionOut':
        return void onNextAppend.push('mute')
      case 'lostAnswer':
        return void onNextAppend.push('loseAnswers')
      case 'lateAppend':
        return void onNextAppend.push('holdAppends')
      case 'rewind':
        return log.rewind(log.stored(breaker).at(-1 - size)?.seq ?? 0)
      case 'crash':
        return crash(place, site)
      case 'pause':
        site.process.pause()
        site.pausedUntil = clock.monotonic() + forMs
        note('pause', site.name)
        return options.changed(place)
      case 'clockStep':
        note('clockStep', site.name)
        return site.process.stepClock(size)
      case 'clockOffset':
      case 'clockDrift':
        return
      default:
        return kind satisfies never
    }
  }

  function crash(place: number, site: MutableSite): void {
    note('crash', site.name)
    site.up = false
    site.pausedUntil = undefined
    site.process.instance.crash()
    options.crashed(place)
    options.changed(place)
  }

  function restart(place: number): void {
    const site = sites[place]
    if (site === undefined || site.up) return
    note('restart', site.name)
    site.process = start(place, site.name)
    site.breaker = site.process.instance.breaker(breaker)
    site.up = true
    options.changed(place)
  }

  function goOn(place: number): void {
    const site = sites[place]
    if (site === undefined || !site.process.paused) return
    site.pausedUntil = undefined
    site.process.goOn()
    options.changed(place)
  }
}

function isOfLink(kind: FaultKind): boolean {
  return kind === 'loss' || kind === 'reordering' || kind === 'partitionIn'
}

interface Phase {
  readonly atMs: number
  run(): unknown
}

interface MutableSite extends Site {
  process: Process
  breaker: CircuitBreaker
  up: boolean
  pausedUntil: number | undefined
}
