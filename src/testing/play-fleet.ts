import { memoryLog } from '../adapters/memory/event-log.ts'
import { BreakerOpenError } from '../kernel/errors.ts'
import { claimableAt } from '../machines/breaker-decide.ts'
import { breakerSettings } from '../machines/breaker-options.ts'
import type { Order } from '../machines/breaker-events.ts'
import type { Call } from '../machines/breaker-options.ts'
import type { CircuitBreaker } from '../machines/breaker.ts'
import type { FleetState, Mode } from '../machines/fleet-state.ts'
import type { Clock } from '../ports/clock.ts'
import type { StoredMessage } from '../ports/event-log.ts'
import { failuresToTrip } from './failures-to-trip.ts'
import { fleetOfBreakers, type TestedFleet, type TestedInstance } from './fleet-of-breakers.ts'
import { fleetBreaker, type FleetScript, type FleetStep, type WorkEnd } from './fleet-script.ts'
import type { Whereabouts } from './instance-record.ts'
import { seededRandom } from './seeded-random.ts'
import { simulatedLog, type SimulatedLog } from './simulated-log.ts'
import { skewedClock, type Skew } from './skewed-clock.ts'
import { virtualClock, type VirtualClock } from './virtual-clock.ts'

/** One time that work was called. */
export interface WorkCall {
  readonly instance: TestedInstance
  readonly startedAt: number
  /** Where the instance must have been. */
  readonly whereabouts: Whereabouts
  readonly probe: Call['probe']
  /** What the instance knew of the fleet, and how its own gate stood, when the work was called. */
  readonly fleet: FleetState
  readonly mode: string
  readonly scope: string
  /** How many changes the instance had told of by then. */
  readonly changes: number
  /** When its work ended, and how, if it did. */
  endedAt?: number
  outcome?: 'passed' | 'failed' | 'ignored'
  /** When its signal aborted, if it did. */
  abortedAt?: number
}

export interface PlayedFleet {
  readonly clock: VirtualClock
  readonly fleet: TestedFleet
  /** Where the script's log is not a sound one. */
  readonly log: SimulatedLog | undefined
  /** Everything that was stored in each log that there was, as the log itself has it; one, unless it began anew. */
  readonly epochs: readonly (readonly StoredMessage[])[]
  readonly calls: readonly WorkCall[]
  readonly refusals: number
  readonly samples: readonly Sample[]
}

/** How an instance stood between two steps. */
export interface Sample {
  readonly instance: TestedInstance
  readonly at: number
  readonly whereabouts: Whereabouts
  readonly mode: Mode
}

/** When the clock of a played fleet begins, in ms since the epoch; its monotonic time begins at 0. */
export const playStartAt = 1_000_000

/** Plays a script on real breakers that share a log in memory, on a virtual clock. */
export async function playFleet(script: FleetScript): Promise<PlayedFleet> {
  const clock = virtualClock({ startAt: playStartAt })
  const random = seededRandom(script.seed)
  const latencyMs = { latencyMs: { min: 0, max: script.latencyMs } }
  const simulated = script.log === 'sound' ? undefined : simulatedLog({ clock, random, ...latencyMs })
  if (simulated !== undefined) simulated.twoWinners = script.log === 'faulty'
  const log = simulated ?? memoryLog({ clock, random, ...(script.latencyMs > 0 && latencyMs) })
  const clockOf = (at: number): Clock => skewedClock(clock, script.skews[at % script.skews.length] ?? trueTime)
  const fleet = fleetOfBreakers({
    instances: script.instances,
    clockOf,
    random,
    log,
    now: clock.monotonic,
    epoch: () => simulated?.epoch ?? 1,
    options: script.options,
  })
  for (const instance of fleet.instances) instance.breaker(fleetBreaker)
  await clock.advanceBy(script.latencyMs * 2)
  const epochs = simulated?.archive ?? [fleet.stored]
  const world: World = {
    ...{ clock, fleet, log: simulated, epochs, calls: [], samples: [], refusals: 0, isUp: true },
    rounds: Math.max(2, Math.min(roundsMax, failuresToTrip(script.options))),
    slowerByMs: Math.max(3_500, Math.min(20_000, breakerSettings(script.options).leaseMs + 500)),
  }
  for (const step of script.steps) {
    await takeStep(world, step)
    sample(world)
  }
  return world
}

const trueTime: Skew = Object.freeze({ offsetMs: 0, rate: 1 })

/** Heals whatever was cut, lands what is late, and lets what is under way come to its end; nobody calls. */
export async function healAndQuiet({ clock, fleet, log }: PlayedFleet): Promise<void> {
  log?.landLate()
  for (const instance of fleet.instances) if (instance.alive) log?.heal(instance.name)
  await clock.advanceBy(30_000)
}

interface World extends PlayedFleet {
  readonly calls: WorkCall[]
  readonly samples: Sample[]
  refusals: number
  isUp: boolean
  /** How often everybody who is sick calls in an outage: until they have tripped. */
  readonly rounds: number
  /** More than the lease, so that what was valid when it was sent is over when it comes. */
  readonly slowerByMs: number
}

async function takeStep(world: World, step: FleetStep): Promise<void> {
  const { clock, fleet } = world
  const alive = fleet.instances.filter((instance) => instance.alive)
  const instance = 'at' in step ? alive[step.at % alive.length] : undefined
  switch (step.do) {
    case 'call':
      if (instance !== undefined) call(world, instance, step.end)
      return
    case 'permit':
      if (instance !== undefined) takePermit(world, instance, step.end)
      return
    case 'callAll':
      for (const each of alive) call(world, each, step.end)
      return
    case 'down':
    case 'up':
      world.isUp = step.do === 'up'
      return
    case 'join':
      if (fleet.instances.length < 8) fleet.join().breaker(fleetBreaker)
      return
    case 'crash':
      if (alive.length > 1) instance?.crash()
      return
    case 'order': {
      const order = { by: 'an operator', reason: step.kind, ...(step.forMs !== undefined && { forMs: step.forMs }) }
      if (instance !== undefined) void giveOrder(instance.breaker(fleetBreaker), step.kind, order)
      return
    }
    case 'fault':
      if (instance !== undefined) injure(world, step, instance.name)
      return
    case 'outage':
      world.isUp = false
      for (let round = 0; round < world.rounds; round++) {
        for (const each of alive.slice(0, step.sick)) call(world, each, 'auto')
        await clock.settle()
      }
      return clock.advanceBy(step.ms)
    case 'comeBack':
      await clock.advanceBy(waitMs({ do: 'wait', ms: 20, until: 'after' }, alive[0], clock))
      world.isUp = step.up
      for (const each of alive) call(world, each, step.end)
      return clock.advanceBy(step.ms)
    case 'wait':
      return clock.advanceBy(waitMs(step, alive[0], clock))
    default:
      return step satisfies never
  }
}

async function giveOrder(
  breaker: CircuitBreaker,
  kind: 'forceOpen' | 'disable' | 'release',
  order: Order,
): Promise<void> {
  try {
    await breaker[kind](order)
  } catch {
    // The log could not be reached, or the instance has crashed.
  }
}

function injure({ log, slowerByMs }: World, { kind, at }: FleetStep & { do: 'fault' }, instance: string): void {
  if (log === undefined) return
  switch (kind) {
    case 'loseAnswers':
    case 'holdAppends':
    case 'loseMessages':
    case 'swapMessages':
      return log[kind](instance, 1)
    case 'landLate':
      return log.landLate()
    case 'repeatLast':
    case 'cut':
    case 'heal':
      return log[kind](instance)
    case 'slow':
      return log.slow(instance, slowerByMs)
    case 'rewind':
      return log.rewind(seqToRewindTo(log, at))
    default:
      return kind satisfies never
  }
}

/** A breaker that does not trip within so many failures is not waited for. */
const roundsMax = 100

/** Everything is gone, or only the last message or two. */
function seqToRewindTo({ archive }: SimulatedLog, at: number): number {
  const kept = (archive.at(-1) ?? []).slice(0, [0, -1, -2][at % 3])
  return kept.at(-1)?.seq ?? 0
}

/** So many ms, or until around the moment that the first instance waits for. */
function waitMs(
  { ms, until }: FleetStep & { do: 'wait' },
  instance: TestedInstance | undefined,
  clock: VirtualClock,
): number {
  if (until === 'none' || instance === undefined) return ms
  const { state } = instance.replica.position(fleetBreaker)
  const end = claimableAt(state) ?? state.order?.until ?? instance.breaker(fleetBreaker).state.retryAt
  if (end === undefined) return ms
  return Math.max(0, end - clock.now() + { before: -1, at: 0, after: ms }[until])
}

/** One call through `run`; what its work is given and how it stood is noted. */
function call(world: World, instance: TestedInstance, end: WorkEnd): void {
  instance
    .breaker(fleetBreaker)
    .run((given) => {
      const noted = note(world, instance, given.probe)
      given.signal.addEventListener('abort', () => (noted.abortedAt = world.clock.monotonic()))
      return work(world, noted, end)
    })
    .catch((error: unknown) => {
      if (error instanceof BreakerOpenError) world.refusals++
    })
}

function takePermit(world: World, instance: TestedInstance, end: WorkEnd): void {
  const permit = instance.breaker(fleetBreaker).tryAcquire()
  if (permit instanceof BreakerOpenError) {
    world.refusals++
    return
  }
  const noted = note(world, instance, permit.probe)
  work(world, noted, end).then(
    () => permit.success(),
    (error: unknown) => permit.failure(error),
  )
}

function note({ clock, calls }: World, instance: TestedInstance, probe: Call['probe']): WorkCall {
  const { mode, scope } = instance.breaker(fleetBreaker).state
  const { state } = instance.replica.position(fleetBreaker)
  const whereabouts = instance.record.whereabouts()
  const { length: changes } = instance.transitions
  const startedAt = clock.monotonic()
  const noted: WorkCall = { instance, startedAt, whereabouts, probe, fleet: state, mode, scope, changes }
  calls.push(noted)
  return noted
}

async function work(world: World, call: WorkCall, end: WorkEnd): Promise<string> {
  if (end === 'slow') await world.clock.sleep(150)
  if (end === 'hang' || !call.instance.alive) return new Promise<never>(() => {})
  call.endedAt = world.clock.monotonic()
  call.outcome = end === 'ownFault' ? 'ignored' : world.isUp ? 'passed' : 'failed'
  if (end === 'ownFault') throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
  if (world.isUp) return 'sent'
  throw new Error('down')
}

function sample({ clock, fleet, samples }: World): void {
  for (const instance of fleet.instances) {
    if (!instance.alive) continue
    const { mode } = instance.breaker(fleetBreaker).state
    samples.push({ instance, at: clock.monotonic(), whereabouts: instance.record.whereabouts(), mode })
  }
}
