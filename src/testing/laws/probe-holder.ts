import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import { leaseGraceMs } from '../../machines/breaker-decide.ts'
import { proposalJitterMs } from '../../machines/proposer.ts'
import { fold, unread, type Position } from '../../machines/fold.ts'
import { fleetOfBreakers, type TestedFleet } from '../fleet-of-breakers.ts'
import type { Law, Verdict } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import type { StoryEvent } from '../story.ts'
import type { Subject } from '../verify/subject.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'
import { recovers, type RecoveryCase, recoveryCases } from './breaker-recovers.ts'

type HolderFate = 'crashes' | 'hangs' | 'fails' | 'passes' | 'says nothing'

interface HolderCase {
  readonly seed: number
  readonly instances: number
  readonly latencyMs: number
  readonly leaseMs: number
  readonly fate: HolderFate
  /** How long after its claim the holder meets its fate, as a share of the lease. */
  readonly after: number
  /** Whether calls arrive, or instances check by themselves. */
  readonly by: 'calls' | 'check'
}

/**
 * `probe.holder-dies`. On a log that keeps its promises and answers everybody: with links that are cut, messages that are
 * lost or logs that begin anew there is no time within which others can hear of the lease, or take it over.
 */
export const holderDies: Law<HolderCase> = {
  name: 'probe.holder-dies',
  says: 'when a holder dies, another probes within the lease, the grace and the jitter, and never before the grace is over',
  cases: holderCases(['crashes']),
  holds: nextProbeInTime,
}

const named = {
  name: 'breaker.liveness',
  says: 'with calls arriving, half-open is left or leased anew within the lease, the grace and the jitter, whatever the probe does',
}

/** `breaker.liveness` */
export const liveness: Law<HolderCase> = {
  ...named,
  for: livenessOf,
  // One instance alone as well: nobody else is there to take over from it.
  cases: fc.oneof(
    holderCases(['crashes', 'hangs', 'fails', 'passes', 'says nothing']),
    holderCases(['hangs', 'fails', 'passes', 'says nothing'], { alone: true }),
  ),
  holds: nextProbeInTime,
}

/** For one configuration also: a dependency that is back, and answers as soon as a call may wait, closes its breaker. */
function livenessOf(subject: Subject): Law<HolderCase | RecoveryCase> {
  const { cases, holds } = liveness
  const says = `${named.says}; a dependency that is back closes it, as slow as a call may be`
  return {
    name: named.name,
    says,
    cases: fc.oneof(cases, recoveryCases(subject)),
    holds: (given) => ('share' in given ? recovers(subject, given) : holds(given)),
    async story(given) {
      const told: StoryEvent[] = []
      if ('share' in given) await recovers(subject, given, (event) => told.push(event)).catch(() => {})
      return told
    },
  }
}

const name = 'smtp'
const tickMs = 20

async function nextProbeInTime(given: HolderCase): Promise<Verdict> {
  const { clock, fleet, fate, accepted } = await halfOpenFleet(given)
  const claim = accepted().at(-1)
  if (claim?.type !== 'probeClaimed') return 'notExercised'
  const holder = fleet.instances.find((instance) => instance.name === claim.by)
  // Whoever checks by itself wakes with a jitter of its own.
  const jitterMs = proposalJitterMs * (given.by === 'check' ? 2 : 1)
  const deadline = claim.at + given.leaseMs + leaseGraceMs + jitterMs + given.latencyMs * 6 + tickMs * 3
  let fateAt = claim.at + given.leaseMs * given.after
  for (;;) {
    const since = accepted().filter(({ seq }) => seq > claim.seq)
    const next = since.find(({ type }) => type !== 'probeReleased')
    if (next !== undefined) {
      assert.ok(next.at <= deadline, `${next.type} came ${next.at - deadline} ms too late`)
      if (next.type !== 'probeClaimed' || since[0] !== next) return 'held'
      assert.ok(next.at >= claim.at + given.leaseMs + leaseGraceMs, `${next.by} took over a lease within its grace`)
      assert.notEqual(next.by, claim.by)
      return 'held'
    }
    if (clock.now() >= fateAt) {
      fateAt = Infinity
      if (given.fate === 'crashes') holder?.crash()
      else fate.meet()
    }
    const overdueMs = clock.now() - deadline - given.latencyMs
    assert.ok(overdueMs <= 0, `nothing has followed the claim, ${overdueMs} ms after the deadline`)
    if (given.by === 'calls') callAll(fleet, fate.work)
    await clock.advanceBy(tickMs)
  }
}

interface Fate {
  readonly work: () => Promise<void>
  meet(): void
}

/** A fleet whose first probe is under way, and what that will come to. */
async function halfOpenFleet({ seed, instances, latencyMs, leaseMs, fate: kind, by }: HolderCase): Promise<{
  readonly clock: VirtualClock
  readonly fleet: TestedFleet
  readonly fate: Fate
  readonly accepted: () => readonly AcceptedEvent[]
}> {
  const clock = virtualClock({ startAt: 1_000_000 })
  const random = seededRandom(seed)
  const log = memoryLog({ clock, random, ...(latencyMs > 0 && { latencyMs: { min: 0, max: latencyMs } }) })
  const fate = fateOf(kind)
  const options = {
    failureThreshold: 1,
    recoveryTimeoutMs: 1_000,
    probe: { leaseMs, ...(by === 'check' && { check: fate.work }) },
  }
  const fleet = fleetOfBreakers({ instances, clockOf: () => clock, random, log, options })
  const accepted = acceptedBy(fleet)
  for (const instance of fleet.instances) instance.breaker(name)
  await clock.advanceBy(latencyMs * 2)
  fleet.instances[0]
    ?.breaker(name)
    .run(() => Promise.reject(new Error('down')))
    .catch(() => {})
  await clock.advanceBy(800)
  for (let tick = 0; tick < 80 && accepted().at(-1)?.type !== 'probeClaimed'; tick++) {
    if (by === 'calls') callAll(fleet, fate.work)
    await clock.advanceBy(tickMs)
  }
  return { clock, fleet, fate, accepted }
}

/** What the first probe comes to when its time has come; whoever probes after it finds everything well. */
function fateOf(kind: HolderFate): Fate {
  let meet = (): void => {}
  let begun = false
  const first = new Promise<void>((resolve, reject) => {
    meet = () => {
      if (kind === 'passes') resolve()
      if (kind === 'fails') reject(new Error('down'))
      if (kind === 'says nothing') reject(Object.assign(new Error('no descriptors'), { code: 'EMFILE' }))
    }
  })
  first.catch(() => {})
  return {
    work() {
      if (begun) return Promise.resolve()
      begun = true
      return first
    },
    meet: () => meet(),
  }
}

function callAll(fleet: TestedFleet, work: () => Promise<void>): void {
  for (const instance of fleet.instances)
    if (instance.alive)
      instance
        .breaker(name)
        .run(work)
        .catch(() => {})
}

interface AcceptedEvent {
  readonly type: string
  readonly by: string
  readonly at: number
  readonly seq: number
}

/** What the log has accepted so far; each message is read once. */
function acceptedBy({ stored }: TestedFleet): () => readonly AcceptedEvent[] {
  const found: AcceptedEvent[] = []
  let position: Position = unread
  let read = 0
  return () => {
    for (const message of stored.slice(read)) {
      const { position: next, verdict } = fold(position, message)
      position = next
      if (!verdict.accepted) continue
      found.push({ type: verdict.event.fact?.type ?? '', by: verdict.event.by, at: message.at, seq: message.seq })
    }
    read = stored.length
    return found
  }
}

function holderCases(fates: readonly HolderFate[], { alone = false } = {}): fc.Arbitrary<HolderCase> {
  return fc.record({
    seed: fc.nat(),
    instances: alone ? fc.constant(1) : fc.integer({ min: 2, max: 5 }),
    latencyMs: fc.constantFrom(0, 0, 5, 40),
    leaseMs: fc.constantFrom(200, 600),
    fate: fc.constantFrom(...fates),
    after: fc.constantFrom(0, 0.1, 0.5, 0.79, 0.9),
    by: fc.constantFrom('calls', 'calls', 'check'),
  })
}
