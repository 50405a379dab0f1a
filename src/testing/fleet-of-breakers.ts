import type { BreakerOptions } from '../machines/breaker-options.ts'
import { CircuitBreaker } from '../machines/breaker.ts'
import type { BreakerHost } from '../machines/breaker-lifecycle.ts'
import type { FleetState } from '../machines/fleet-state.ts'
import { createRegistry } from '../machines/registry.ts'
import { createReplica, type Replica } from '../machines/replica.ts'
import { fleetTransition, type Transition } from '../machines/transition.ts'
import type { Clock } from '../ports/clock.ts'
import type { EventLog, StoredMessage } from '../ports/event-log.ts'
import { silentLogger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import { recordInstance, type InstanceRecord } from './instance-record.ts'

/** What an instance made of one more accepted event, or of a replay. */
export interface Reading {
  readonly breaker: string
  /** Of which log; 1 for one that never began anew. */
  readonly epoch: number
  readonly seq: number
  readonly state: FleetState
  readonly provisional: boolean
  /** It was provisional, and nothing has contradicted it for a while: this instance goes by it, no rule has shown it. */
  readonly settled: boolean
  /** None for a replay, of which only the end counts. */
  readonly event: string | undefined
}

/** `trueAt`: when it was told, monotonic, in ms, by a clock that is nobody's. */
export type TimedTransition = Transition & { readonly trueAt: number }

/** One instance: the real replica, registry and breakers, without the door around them. */
export interface TestedInstance {
  readonly name: string
  readonly replica: Replica
  readonly readings: readonly Reading[]
  readonly transitions: readonly TimedTransition[]
  readonly record: InstanceRecord
  /** False once it has crashed. */
  readonly alive: boolean
  breaker(name: string): CircuitBreaker
  /** Ends like a process that is killed: nothing is told to anybody, and what it had under way is forgotten. */
  crash(): void
}

export interface TestedFleet {
  readonly instances: readonly TestedInstance[]
  /** Everything that the log has stored, in order, as far as it has been delivered. */
  readonly stored: readonly StoredMessage[]
  join(): TestedInstance
}

export interface TestedFleetOptions {
  readonly instances: number
  /** An instance's own clock, by its place. */
  clockOf(at: number): Clock
  readonly random: Random
  readonly log: EventLog
  /** The true time, monotonic, in ms; the first instance's clock where it is not given. */
  readonly now?: () => number
  /** Which log it is by now, for one that may begin anew. */
  readonly epoch?: () => number
  /** Of every breaker. */
  readonly options: BreakerOptions
}

/** Instances that share a log, and somebody who keeps everything that the log says. */
export function fleetOfBreakers({ instances: count, ...options }: TestedFleetOptions): TestedFleet {
  const instances: TestedInstance[] = []
  const stored: StoredMessage[] = []
  options.log.join(
    { fleet: 'default', instance: 'the observer', logger: silentLogger },
    { onLink: () => {}, onPreview: () => {}, onMessage: (message) => void stored.push(message) },
  )
  const fleet: TestedFleet = {
    instances,
    stored,
    join() {
      const instance = testedInstance(`instance ${instances.length}`, options.clockOf(instances.length), options)
      instances.push(instance)
      return instance
    },
  }
  for (let joined = 0; joined < count; joined++) fleet.join()
  return fleet
}

export interface TestedInstanceOptions extends Pick<
  TestedFleetOptions,
  'random' | 'log' | 'now' | 'epoch' | 'options'
> {
  /** Its gate may have changed. */
  readonly changed?: () => void
}

/** One instance that joins the log. */
export function testedInstance(
  name: string,
  clock: Clock,
  { random, options, changed = () => {}, ...of }: TestedInstanceOptions,
): TestedInstance {
  const readings: Reading[] = []
  const transitions: TimedTransition[] = []
  const trueNow = of.now ?? clock.monotonic
  const record = recordInstance(of.log, trueNow, of.epoch ?? (() => 1))
  let alive = true
  const replica = createReplica(
    { fleet: 'default', instance: name, log: record.log, clock, random, logger: silentLogger },
    {
      onChange(breaker, before, after, event) {
        const { seq, state, provisional } = after
        const settled = before.provisional && !provisional && after.seq === before.seq
        readings.push({ breaker, epoch: record.epoch, seq, state, provisional, settled, event: event?.id })
        registry.all.get(breaker)?.onChange(before, after)
        const transition = fleetTransition(breaker, before, after, event, clock.now())
        if (transition !== undefined) transitions.push({ ...transition, trueAt: trueNow() })
        changed()
      },
      onLink(link) {
        for (const breaker of registry.all.values()) breaker.onLink(link)
        changed()
      },
    },
  )
  const host: BreakerHost<CircuitBreaker> = {
    instance: name,
    clock,
    random,
    logger: silentLogger,
    replica,
    get closed() {
      return !alive
    },
    emit(transition) {
      transitions.push({ ...transition, trueAt: trueNow() })
      changed()
    },
    successor: (retired) => registry.get(retired.name),
    current: (breaker) => registry.all.get(breaker),
  }
  const registry = createRegistry({
    now: () => clock.monotonic(),
    breakers: { default: options },
    breakersMax: 10_000,
    create: (breaker, settings) => new CircuitBreaker(breaker, settings, host),
  })
  return {
    name,
    replica,
    readings,
    transitions,
    record,
    get alive() {
      return alive
    },
    breaker: (breaker) => registry.get(breaker),
    crash() {
      alive = false
      // First, since one that crashes has no last words.
      void replica.close()
      for (const breaker of registry.all.values()) breaker.retire()
    },
  }
}
