import { ClosedError } from '../kernel/errors.ts'
import { within, type Clock } from '../ports/clock.ts'
import {
  retainedPerTopic,
  type EventLog,
  type Link,
  type LogMembership,
  type StoredMessage,
} from '../ports/event-log.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import type { BreakerEvent } from './breaker-events.ts'
import { breakerSettings } from './breaker-options.ts'
import type { FleetState } from './fleet-state.ts'
import {
  fold,
  foldRetained,
  intoNewEpoch,
  preview,
  settle,
  unread,
  withoutPreview,
  type Position,
  type Verdict,
} from './fold.ts'
import { readHistory, type LogEntry } from './history.ts'
import { logClock } from './log-clock.ts'
import { progressOf, type Progress } from './progress.ts'
import { isUnanswered, proposer, type Proposed, type Proposer } from './proposer.ts'
import { restoreAll, toRestore } from './restoring.ts'
import { silenceWatch } from './silence-watch.ts'

export interface ReplicaOptions {
  readonly fleet: string
  readonly instance: string
  readonly log: EventLog
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The W3C trace context of what runs now. */
  readonly traceparent?: (() => string | undefined) | undefined
}

/** Hears what the replica folds, in order. */
export interface ReplicaListener {
  /** A breaker's log was read further; by one accepted event, or by a whole replay, of which only the end counts. */
  onChange(breaker: string, before: Position, after: Position, event?: BreakerEvent): void
  onLink(link: Link): void
}

interface Change {
  readonly breaker: string
  readonly before: Position
  readonly after: Position
}

export interface ReplicaHealth extends Progress {
  readonly link: Link['state']
  readonly breakers: number
  readonly accepted: number
  readonly ignored: number
  readonly undecodable: number
  readonly divergences: number
  /** Proposals of this instance that the log did not answer, or had no room for. */
  readonly failed: number
}

/** One instance's copy of the fleet's log: it folds what arrives, and appends what `decide` proposes. */
export interface Replica {
  readonly linked: boolean
  /** Resolves when linked: true at once if it is, false when that takes longer than `deadlineMs`. */
  whenLinked(deadlineMs: number): Promise<boolean>
  /** The log's time, estimated from what arrived and this instance's monotonic clock. It can only lag. Whole ms. */
  logNow(): number
  /** The log's time at a monotonic time of this instance, by the same estimate. */
  logTimeOf(monotonic: number): number
  position(breaker: string): Position
  /** Of every breaker that the log knows; as many as it has subjects. */
  readonly positions: ReadonlyMap<string, Position>
  /** Decides and appends until the fleet has taken it, or has no use for it. Never rejects. */
  readonly propose: Proposer['propose']
  /** The log's own way to tell the other instances something without storing it. */
  readonly peers: Pick<LogMembership, 'broadcast' | 'listen'>
  /** Newest first. @throws UnavailableError */
  history(breaker: string): Promise<readonly LogEntry[]>
  health(): ReplicaHealth
  close(): Promise<void>
}

export function createReplica(options: ReplicaOptions, listener: ReplicaListener): Replica {
  const { fleet, instance, clock, random, logger } = options
  const positions = new Map<string, Position>()
  /** While catching up: what was replayed of each breaker, to be read when all of it is there. */
  const replayed = new Map<string, StoredMessage[]>()
  const silence = silenceWatch(clock, onSilence)
  const time = logClock(clock)
  const awaitingLink = new Set<() => void>()
  const counted = { accepted: 0, ignored: 0, undecodable: 0, divergences: 0, failed: 0 }
  const told = new Set<string>()
  let link: Link = { state: 'down', why: 'not joined yet' }
  let closed = false

  const membership: LogMembership = options.log.join({ fleet, instance, logger }, { onLink, onPreview, onMessage })
  const proposals = proposer({
    fleet,
    instance,
    clock,
    random,
    log: membership,
    logNow: time.now,
    linked: () => link.state === 'linked',
    position: positionOf,
    traceparent: options.traceparent,
  })

  return {
    get linked() {
      return link.state === 'linked'
    },
    whenLinked,
    logNow: time.now,
    logTimeOf: time.of,
    position: positionOf,
    positions,
    propose,
    peers: membership,
    async history(breaker) {
      if (closed) throw new ClosedError(`instance "${instance}"`)
      return readHistory(await membership.read(breaker))
    },
    health: () => ({ link: link.state, breakers: positions.size, ...progressOf(positions), ...counted }),
    async close() {
      closed = true
      link = { state: 'down', why: 'closed' }
      for (const answer of awaitingLink) answer()
      silence.stop()
      proposals.stop()
      await membership.leave()
    },
  }

  async function propose(...given: Parameters<Proposer['propose']>): Promise<Proposed> {
    const proposed = await proposals.propose(...given)
    if (proposed.status !== 'failed' || closed) return proposed
    counted.failed++
    const [breaker, , intent] = given
    logger.warn({ breaker, instance, intent: intent.type, err: proposed.error }, 'the fleet could not be told')
    return proposed
  }

  function positionOf(breaker: string): Position {
    return positions.get(breaker) ?? unread
  }

  function onLink(next: Link): void {
    if (next.state === 'catchingUp') time.began(next.at)
    if (next.state === 'linked') time.heard(next.at)
    if (next.state === 'catchingUp' && next.newEpoch) {
      replayed.clear()
      for (const [breaker, before] of positions) {
        const after = intoNewEpoch(before)
        positions.set(breaker, after)
        listener.onChange(breaker, before, after)
      }
    }
    const changes = next.state === 'linked' ? readReplay() : []
    link = next
    for (const { breaker, before, after } of changes) listener.onChange(breaker, before, after)
    listener.onLink(next)
    if (next.state === 'linked') onLinked()
  }

  /** What was replayed takes effect at once, when all of it is there: the states in between are history. */
  function readReplay(): readonly Change[] {
    const changes: Change[] = []
    for (const [breaker, before] of positions) {
      const messages = replayed.get(breaker)
      replayed.delete(breaker)
      const after = withoutPreview(messages === undefined ? before : foldRetained(before, messages))
      if (messages !== undefined) proposals.onReplay(breaker, before, messages)
      move(breaker, after)
      if (after !== before) changes.push({ breaker, before, after })
    }
    for (const [breaker, messages] of replayed) {
      const after = foldRetained(unread, messages)
      proposals.onReplay(breaker, unread, messages)
      move(breaker, after)
      changes.push({ breaker, before: unread, after })
    }
    replayed.clear()
    return changes
  }

  function onLinked(): void {
    for (const answer of awaitingLink) answer()
    void restoreAll(positions, random, restore)
  }

  /** Gives whether it has to be told again. What was not told over one link is told over the next one by itself. */
  async function restore(breaker: string, state: FleetState): Promise<boolean> {
    const over = link
    const proposed = await propose(breaker, breakerSettings(), { type: 'restore', state })
    return link === over && isUnanswered(proposed)
  }

  function onPreview(message: StoredMessage): void {
    if (link.state === 'linked') return
    const before = positionOf(message.topic)
    const after = preview(before, message)
    if (after === before) return
    positions.set(message.topic, after)
    listener.onChange(message.topic, before, after)
  }

  function onMessage(message: StoredMessage): void {
    time.heard(message.at, proposals.sentAt(message.id))
    if (link.state === 'catchingUp') {
      const messages = replayed.get(message.topic)
      if (messages === undefined) replayed.set(message.topic, [message])
      else if (messages.push(message) > retainedPerTopic) messages.shift()
      return
    }
    const before = positionOf(message.topic)
    const { position, verdict } = fold(before, message)
    move(message.topic, position)
    count(message.topic, verdict)
    if (verdict.accepted) listener.onChange(message.topic, before, position, verdict.event)
    proposals.onVerdict(message, verdict, before.acceptedSeq)
  }

  function move(breaker: string, position: Position): void {
    positions.set(breaker, position)
    if (position.provisional) silence.watch(breaker)
    proposals.onMoved(breaker)
  }

  /** Nothing has contradicted what was adopted. */
  function onSilence(breaker: string): void {
    const before = positionOf(breaker)
    // Without a link nobody is heard; once it is back, the silence begins anew.
    if (!before.provisional || link.state !== 'linked') return
    const after = settle(before)
    positions.set(breaker, after)
    listener.onChange(breaker, before, after)
    // While it was uncertain nothing could be proposed.
    const lost = toRestore(after)
    if (lost !== undefined) void restore(breaker, lost)
  }

  function count(breaker: string, verdict: Verdict): void {
    if (verdict.accepted) {
      counted.accepted++
      if (verdict.divergence === undefined) return
      counted.divergences++
      logger.error(
        { breaker, instance, ...verdict.divergence },
        'this instance and the author of an event disagree about the state',
      )
      return
    }
    counted.ignored++
    if (verdict.why !== 'undecodable') return
    counted.undecodable++
    if (told.has(breaker)) return
    told.add(breaker)
    logger.warn({ breaker, instance, detail: verdict.detail }, 'a message in the log cannot be read; it is passed over')
  }

  async function whenLinked(deadlineMs: number): Promise<boolean> {
    if (link.state === 'linked' || closed) return link.state === 'linked'
    let answer = (): void => {}
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    awaitingLink.add(answer)
    await within(clock, deadlineMs, answered)
    awaitingLink.delete(answer)
    return linkNow() === 'linked'
  }

  function linkNow(): Link['state'] {
    return link.state
  }
}
