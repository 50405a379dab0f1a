import { strict as assert } from 'node:assert'
import { encodeEvent } from '../../src/machines/breaker-codec.ts'
import { decide, leaseGraceMs, noCounts, type Intent, type ProbeResult } from '../../src/machines/breaker-decide.ts'
import type { BreakerEvent } from '../../src/machines/breaker-events.ts'
import { breakerSettings, probeShare, type BreakerSettings } from '../../src/machines/breaker-options.ts'
import type { StoredMessage } from '../../src/ports/event-log.ts'
import { logTree, type LogNode, type LogTree } from './exhaustive-log.ts'

/** How much may happen. */
export interface Scope {
  readonly logMax: number
  readonly ticks: number
  readonly quorum: number
  readonly faults: Faults
}

/** How often each may happen yet. */
interface Faults {
  readonly crashes: number
  readonly lostAnswers: number
  /** Messages that are held up on their way, and land later. */
  readonly heldUp: number
  /** Messages that a log stores although another one was stored on the same predecessor. */
  readonly secondWinners: number
  /** Orders of an operator are no faults, and are counted alike. */
  readonly orders: number
}

export interface Explored {
  /** Different states of the whole, each looked at once. */
  readonly states: number
  readonly steps: number
  /** Different logs that came about. */
  readonly logs: number
  /** How often each kind of step was taken, and in how many logs the last message came to what. */
  readonly reached: ReadonlyMap<string, number>
}

/** As long as the grace of a lease, so that a clock that is a tick behind is as wrong as is allowed. */
const tickMs = leaseGraceMs
const leaseMs = 2 * tickMs
const startAt = 1_000_000
const breaker = 'smtp'
/** By how many ticks the clock of each instance is behind the log's. */
const skews = [0, 1] as const

type Place = 0 | 1

/** What an instance remembers. */
interface Instance {
  /** How often it has crashed. */
  readonly lives: number
  /** How many messages it has read. */
  readonly read: number
  /** The term in which it tripped, as long as it may have to tell the fleet. */
  readonly trip: number | undefined
  /** The probe that it runs, and the tick before which it stops by its own clock. */
  readonly probe: Probe | undefined
}

interface Probe {
  readonly fence: string
  readonly until: number
  /** It has ended so, and nobody has said yet that this is stored. */
  readonly ended?: ProbeResult
}

interface World {
  readonly tick: number
  readonly log: LogNode
  readonly instances: readonly [Instance, Instance]
  readonly held: Omit<StoredMessage, 'seq' | 'at'> | undefined
  readonly left: Faults
}

type Step = readonly [what: string, next: World]

const newborn: Instance = { lives: 0, read: 0, trip: undefined, probe: undefined }

/**
 * Looks at every state that two instances can come to that share a log, over the real `decide` and the real fold. Each may
 * trip, speak on what it has read so far, read, probe, report, crash and begin anew, in every order; what it says is
 * stored, refused, held up, stored without an answer (then it speaks again), or stored as a second winner.
 * @throws Error that names the law that is broken, and the steps that led there
 */
export function explore(scope: Scope): Explored {
  const log = logTree()
  const play = { scope, log, settings: settingsOf(scope) }
  const first: World = { tick: 0, log: log.root, instances: [newborn, newborn], held: undefined, left: scope.faults }
  const cameFrom = new Map<string, { readonly key: string; readonly what: string } | undefined>([
    [keyOf(first), undefined],
  ])
  const reached = new Map<string, number>()
  const stack = [first]
  let steps = 0
  for (let world = stack.pop(); world !== undefined; world = stack.pop()) {
    const key = keyOf(world)
    try {
      checkProbes(world)
      for (const [what, next] of stepsFrom(play, world)) {
        steps++
        reached.set(what, (reached.get(what) ?? 0) + 1)
        const nextKey = keyOf(next)
        if (cameFrom.has(nextKey)) continue
        cameFrom.set(nextKey, { key, what })
        stack.push(next)
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`${why}\n${storyOf(cameFrom, key)}`, { cause: error })
    }
  }
  return { states: cameFrom.size, steps, logs: log.size(), reached: new Map([...reached, ...log.verdicts]) }
}

interface Play {
  readonly scope: Scope
  readonly log: LogTree
  readonly settings: BreakerSettings
}

function settingsOf({ quorum }: Scope): BreakerSettings {
  return breakerSettings({
    failureThreshold: 1,
    quorum,
    recoveryTimeoutMs: tickMs,
    recoveryBackoff: { multiplier: 1, jitter: 'none' },
    probe: { leaseMs },
  })
}

function* stepsFrom(play: Play, world: World): Generator<Step, void> {
  if (world.tick < play.scope.ticks) yield ['a tick', { ...world, tick: world.tick + 1 }]
  if (world.held !== undefined) yield* landing(play, world, world.held)
  for (const place of [0, 1] as const) {
    yield* speaking(play, world, place)
    yield* reading(world, place)
    yield* crashing(world, place)
  }
}

/** What an instance has to say, and what it no longer has to say when it has heard that it was stored. */
function* intentsOf({ scope }: Play, world: World, place: Place): Generator<[Intent, Partial<Instance>], void> {
  const { read, trip, probe } = world.instances[place]
  const { state } = world.log.prefix(read).position
  const counts = noCounts
  if (trip !== undefined)
    yield [{ type: 'trip', term: trip, reason: 'failureThreshold', counts, recoveryMs: tickMs }, { trip: undefined }]
  if (scope.quorum > 1 && state.votes.length > 0) yield [{ type: 'countVotes', counts }, {}]
  if (probe !== undefined) {
    const results = resultsOf(probe, world.tick - skews[place])
    for (const result of results)
      yield [{ type: 'probeEnded', fence: probe.fence, result, counts }, { probe: undefined }]
  } else if (state.mode === 'open' || state.mode === 'halfOpen') yield [{ type: 'claim' }, {}]
  if (state.order !== undefined) yield [{ type: 'orderOver' }, {}]
  if (place === 0 && world.left.orders > 0)
    yield [{ type: 'order', kind: 'forcedOpen', order: { by: 'ann', reason: 'test', forMs: tickMs } }, {}]
}

function resultsOf({ ended, until }: Probe, tick: number): readonly ProbeResult[] {
  if (ended !== undefined) return [ended]
  return tick < until ? ['passed', 'failed', 'ignored'] : ['hung']
}

function* speaking(play: Play, world: World, place: Place): Generator<Step, void> {
  const self = world.instances[place]
  const node = world.log.prefix(self.read)
  if (node.position.state.mode === 'closed' && self.trip === undefined)
    yield [`trips`, put(world, place, { trip: node.position.state.term })]
  for (const [intent, told] of intentsOf(play, world, place)) {
    const event = decideBy(play, world, place, intent)
    if (event === undefined) {
      // Nobody needs to hear of it any more.
      yield ['has nothing to say', put(world, place, told)]
      continue
    }
    if (intent.type === 'trip') assert.equal(event.before.term, self.trip, 'autonomy.reconcile: told in another term')
    const left = intent.type === 'order' ? { ...world.left, orders: world.left.orders - 1 } : world.left
    const untold = intent.type === 'probeEnded' && self.probe && { probe: { ...self.probe, ended: intent.result } }
    yield* sending(play, { ...world, left }, place, { event, expected: node.seq, told, untold: untold || {} })
  }
}

function decideBy({ settings }: Play, { log, tick, instances }: World, place: Place, intent: Intent) {
  const { read, lives } = instances[place]
  const logNow = startAt + Math.max(0, tick - skews[place]) * tickMs
  const what = intent.type === 'probeEnded' ? intent.result : intent.type
  const { state } = log.prefix(read).position
  // The same words on the same grounds at the same time are the same event, said again.
  const id = `${place}.${lives} ${what} ${read}@${tick}`
  const instance = `instance ${place}`
  return decide(intent, {
    ...{ breaker, fleet: 'default', instance, state, settings, id },
    ...{ logNow, wallNow: logNow, chance: 0.5 },
  })
}

interface Spoken {
  readonly event: BreakerEvent
  /** The last message that it had read. */
  readonly expected: number
  readonly told: Partial<Instance>
  /** What it remembers where nobody has told it. */
  readonly untold: Partial<Instance>
}

/** What is refused, or never gets there, changes nothing: it will be said again. */
function* sending(
  { scope, log }: Play,
  world: World,
  place: Place,
  { event, expected, told, untold }: Spoken,
): Generator<Step, void> {
  const { left, tick } = world
  if (world.log.has(event.id) || world.log.depth === scope.logMax) return
  const sent = { topic: breaker, id: event.id, expected, data: encodeEvent(event) }
  if (world.held === undefined && left.heldUp > 0)
    yield ['is held up', { ...world, held: sent, left: { ...left, heldUp: left.heldUp - 1 } }]
  const follows = expected === world.log.seq
  if (!follows && left.secondWinners === 0) return
  const stored = { ...world, log: log.append(world.log, { ...sent, at: startAt + tick * tickMs }) }
  if (!follows) {
    const second = { ...stored, left: { ...left, secondWinners: left.secondWinners - 1 } }
    yield ['is a second winner', put(second, place, told)]
    return
  }
  yield ['is stored', put(stored, place, told)]
  if (left.lostAnswers > 0)
    yield [
      'is stored, and not told',
      { ...put(stored, place, untold), left: { ...left, lostAnswers: left.lostAnswers - 1 } },
    ]
}

function* landing({ scope, log }: Play, world: World, held: Omit<StoredMessage, 'seq' | 'at'>): Generator<Step, void> {
  const landed = { ...world, held: undefined }
  if (held.expected !== world.log.seq || world.log.has(held.id)) {
    yield ['is refused late', landed]
    return
  }
  if (world.log.depth === scope.logMax) return
  yield ['lands late', { ...landed, log: log.append(world.log, { ...held, at: startAt + world.tick * tickMs }) }]
}

function* reading(world: World, place: Place): Generator<Step, void> {
  const self = world.instances[place]
  if (self.read >= world.log.depth) return
  const { message, claim, position } = world.log.prefix(self.read + 1)
  const probe = self.probe?.fence === position.state.lease?.fence ? self.probe : undefined
  const isOwn = message?.id.startsWith(`${place}.${self.lives} `) === true
  if (!isOwn || claim === undefined) {
    yield ['reads', put(world, place, { read: self.read + 1, probe })]
    return
  }
  // Measured by its own clock, from before the claim was sent.
  const until = (claim.logNow - startAt + leaseMs * probeShare) / tickMs
  yield ['has the probe', put(world, place, { read: self.read + 1, probe: { fence: claim.fence, until } })]
}

function* crashing(world: World, place: Place): Generator<Step, void> {
  if (world.left.crashes === 0) return
  const left = { ...world.left, crashes: world.left.crashes - 1 }
  const { lives } = world.instances[place]
  yield ['crashes', { ...put(world, place, { ...newborn, lives: lives + 1 }), left }]
}

/** Of those that run a probe, and have not stopped it by their own clocks, one has the lease. */
function checkProbes({ tick, instances }: World): void {
  const running = instances.filter(
    ({ probe }, at) => probe !== undefined && probe.ended === undefined && tick - (skews[at] ?? 0) < probe.until,
  )
  assert.ok(running.length <= 1, 'probe.one-lease: two probes run at once')
}

function put(world: World, place: Place, change: Partial<Instance>): World {
  const [one, two] = world.instances
  const changed = { ...world.instances[place], ...change }
  return { ...world, instances: place === 0 ? [changed, two] : [one, changed] }
}

function keyOf({ tick, log, instances, held, left }: World): string {
  const { crashes, lostAnswers, heldUp, secondWinners, orders } = left
  const [one, two] = instances
  const budget = `${crashes}${lostAnswers}${heldUp}${secondWinners}${orders}`
  return `${tick} ${log.number} ${budget} ${keyOfInstance(one)} ${keyOfInstance(two)} ${held?.id ?? ''}`
}

function keyOfInstance({ lives, read, trip, probe }: Instance): string {
  return `${lives},${read},${trip ?? ''},${probe === undefined ? '' : `${probe.fence} ${probe.ended ?? ''}`}`
}

function storyOf(
  cameFrom: ReadonlyMap<string, { readonly key: string; readonly what: string } | undefined>,
  key: string,
): string {
  const story: string[] = []
  for (let at = cameFrom.get(key); at !== undefined; at = cameFrom.get(at.key))
    story.unshift(`  ${at.what} (${at.key})`)
  return story.join('\n')
}
