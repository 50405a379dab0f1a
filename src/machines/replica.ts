import { ulid } from 'ulid'
import { ClosedError, UnavailableError } from '../kernel/errors.ts'
import { within, type Clock, type Timer } from '../ports/clock.ts'
import {
  retainedPerTopic,
  type EventLog,
  type Link,
  type LogMembership,
  type StoredMessage,
} from '../ports/event-log.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import { encodeEvent } from './breaker-codec.ts'
import { decide, proposalValidMs, type Intent } from './breaker-decide.ts'
import type { BreakerEvent } from './breaker-events.ts'
import { breakerSettings, type BreakerSettings } from './breaker-options.ts'
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
import { silenceWatch } from './silence-watch.ts'

/** Proposals wait this long at most, so that those who saw the same do not all speak at once; in ms. */
export const proposalJitterMs = 50
/** How long a race that was lost may take to show its winner, in ms. */
export const raceWaitMs = 1_000
/** How often one intent is decided afresh after a race that it lost. */
export const decisionsMax = 8

export interface ReplicaOptions {
  readonly fleet: string
  readonly instance: string
  readonly log: EventLog
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What came of a proposal. Only `accepted` has changed anything. */
export type Proposed =
  | {
      readonly status: 'accepted'
      readonly event: BreakerEvent
      /** Monotonic, from before it was sent. */ readonly sentAt: number
    }
  /** The fleet's state has no use for it (any more). */
  | { readonly status: 'moot' }
  /** There is no link, so nothing was proposed. */
  | { readonly status: 'unlinked' }
  /** The log did not answer, or kept answering with somebody else's event. */
  | { readonly status: 'failed'; readonly error: UnavailableError }

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

/** An entry of a breaker's history, with whether the fleet took it. */
export interface LogEntry {
  readonly seq: number
  readonly at: number
  readonly accepted: boolean
  /** Why not. */
  readonly why?: string
  readonly event: BreakerEvent
}

export interface ReplicaHealth {
  readonly link: Link['state']
  readonly breakers: number
  readonly accepted: number
  readonly ignored: number
  readonly undecodable: number
  readonly divergences: number
}

/** One instance's copy of the fleet's log: it folds what arrives, and appends what `decide` proposes. */
export interface Replica {
  readonly linked: boolean
  /** Resolves when linked: true at once if it is, false when that takes longer than `deadlineMs`. */
  whenLinked(deadlineMs: number): Promise<boolean>
  /** The log's time, estimated from what arrived and this instance's monotonic clock. It can only lag. Whole ms. */
  logNow(): number
  position(breaker: string): Position
  /** Decides and appends until the fleet has taken it, or has no use for it. Never rejects. */
  propose(
    breaker: string,
    settings: BreakerSettings,
    intent: Intent,
    options?: { readonly jitter?: boolean },
  ): Promise<Proposed>
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
  /** Who waits for an event of its own to be folded, by its id. */
  const ownEvents = new Map<string, (verdict: Verdict) => void>()
  /** Who waits for any event of a breaker to be folded. */
  const moved = new Map<string, Set<() => void>>()
  let awaitingLink: (() => void)[] = []
  const counted = { accepted: 0, ignored: 0, undecodable: 0, divergences: 0 }
  const told = new Set<string>()
  let link: Link = { state: 'down', why: 'not joined yet' }
  let closed = false
  /** The log's time minus the monotonic time, as far as it is known; the true difference is never smaller. */
  let logOffset = -Infinity

  const membership: LogMembership = options.log.join({ fleet, instance, logger }, { onLink, onPreview, onMessage })

  return {
    get linked() {
      return link.state === 'linked'
    },
    whenLinked,
    logNow,
    position: (breaker) => positions.get(breaker) ?? unread,
    propose,
    history,
    health: () => ({ link: link.state, breakers: positions.size, ...counted }),
    async close() {
      closed = true
      link = { state: 'down', why: 'closed' }
      for (const answer of awaitingLink) answer()
      silence.stop()
      for (const wake of [...moved.values()].flatMap((all) => [...all])) wake()
      await membership.leave()
    },
  }

  function logNow(): number {
    return Math.floor(clock.monotonic() + (logOffset === -Infinity ? clock.now() - clock.monotonic() : logOffset))
  }

  function onLink(next: Link): void {
    if (next.state !== 'down') logOffset = Math.max(logOffset, next.at - clock.monotonic())
    if (next.state === 'catchingUp' && next.newEpoch) {
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
      move(breaker, after)
      if (after !== before) changes.push({ breaker, before, after })
    }
    for (const [breaker, messages] of replayed) {
      const after = foldRetained(unread, messages)
      move(breaker, after)
      changes.push({ breaker, before: unread, after })
    }
    replayed.clear()
    return changes
  }

  function onLinked(): void {
    for (const answer of awaitingLink) answer()
    awaitingLink = []
    for (const [breaker, { held, state }] of positions) {
      if (held?.why !== 'epoch' || state.term >= held.state.term) continue
      void propose(breaker, breakerSettings(), { type: 'restore', state: held.state })
    }
  }

  function onPreview(message: StoredMessage): void {
    if (link.state === 'linked') return
    const before = positions.get(message.topic) ?? unread
    const after = preview(before, message)
    if (after === before) return
    positions.set(message.topic, after)
    listener.onChange(message.topic, before, after)
  }

  function onMessage(message: StoredMessage): void {
    logOffset = Math.max(logOffset, message.at - clock.monotonic())
    if (link.state === 'catchingUp') {
      const messages = replayed.get(message.topic)
      if (messages === undefined) replayed.set(message.topic, [message])
      else if (messages.push(message) > retainedPerTopic) messages.shift()
      return
    }
    const before = positions.get(message.topic) ?? unread
    const { position, verdict } = fold(before, message)
    move(message.topic, position)
    count(message.topic, verdict)
    if (verdict.accepted) listener.onChange(message.topic, before, position, verdict.event)
    ownEvents.get(message.id)?.(verdict)
  }

  function move(breaker: string, position: Position): void {
    positions.set(breaker, position)
    if (position.provisional) silence.watch(breaker)
    for (const wake of moved.get(breaker) ?? []) wake()
  }

  /** Nothing has contradicted what was adopted. */
  function onSilence(breaker: string): void {
    const before = positions.get(breaker) ?? unread
    if (!before.provisional) return
    const after = settle(before)
    positions.set(breaker, after)
    listener.onChange(breaker, before, after)
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

  async function propose(
    breaker: string,
    settings: BreakerSettings,
    intent: Intent,
    { jitter = true } = {},
  ): Promise<Proposed> {
    for (let round = 1; round <= decisionsMax; round++) {
      if (jitter || round > 1) await pause(random.next() * proposalJitterMs)
      if (link.state !== 'linked') return { status: 'unlinked' }
      const { state, seq, provisional } = positions.get(breaker) ?? unread
      if (provisional) return { status: 'unlinked' }
      const id = ulid(clock.now(), () => random.next())
      const situation = {
        breaker,
        fleet,
        instance,
        state,
        settings,
        id,
        chance: random.next(),
        logNow: logNow(),
        wallNow: clock.now(),
      }
      const event = decide(intent, situation)
      if (event === undefined) return { status: 'moot' }
      const sentAt = clock.monotonic()
      const outcome = await append(event, seq)
      if (outcome === 'accepted') return { status: 'accepted', event, sentAt }
      if (outcome instanceof UnavailableError) return { status: 'failed', error: outcome }
    }
    return { status: 'failed', error: unavailable(`"${breaker}" changed ${decisionsMax} times while it was asked`) }
  }

  /** Appends one event and waits for the fold, since only that says whether it was accepted. */
  async function append(event: BreakerEvent, seq: number): Promise<'accepted' | 'lost' | UnavailableError> {
    const own = awaitFold(event.id)
    try {
      const { status } = await membership.append({
        topic: event.breaker,
        id: event.id,
        expected: seq,
        data: encodeEvent(event),
      })
      if (status === 'conflict') {
        await movedBeyond(event.breaker, seq)
        return 'lost'
      }
      const verdict = await own.folded
      if (verdict === undefined) return unavailable(`what was stored did not come back within ${proposalValidMs} ms`)
      return verdict.accepted ? 'accepted' : 'lost'
    } catch (error) {
      // It may have been stored all the same; then the fold will show it.
      const verdict = await own.folded
      if (verdict !== undefined) return verdict.accepted ? 'accepted' : 'lost'
      return error instanceof UnavailableError ? error : unavailable('appending failed', error)
    } finally {
      own.stop()
    }
  }

  /** The verdict on an event of one's own; `undefined` when it does not come while the event could still count. */
  function awaitFold(id: string): { readonly folded: Promise<Verdict | undefined>; stop(): void } {
    let timer: Timer | undefined
    const folded = new Promise<Verdict | undefined>((resolve) => {
      timer = clock.setTimeout(() => resolve(undefined), proposalValidMs)
      ownEvents.set(id, resolve)
    })
    return {
      folded,
      stop() {
        if (timer !== undefined) clock.clearTimeout(timer)
        ownEvents.delete(id)
      },
    }
  }

  async function whenLinked(deadlineMs: number): Promise<boolean> {
    if (link.state !== 'linked' && !closed) {
      await within(clock, deadlineMs, new Promise<void>((resolve) => awaitingLink.push(resolve)))
    }
    return link.state === 'linked'
  }

  /** Resolves when this breaker's log was read beyond `seq`, or after a while. */
  async function movedBeyond(breaker: string, seq: number): Promise<void> {
    if ((positions.get(breaker) ?? unread).seq > seq || closed) return
    await new Promise<void>((resolve) => {
      const all = moved.get(breaker) ?? new Set()
      const timer = clock.setTimeout(wake, raceWaitMs)
      moved.set(breaker, all.add(wake))
      function wake(): void {
        clock.clearTimeout(timer)
        all.delete(wake)
        if (all.size === 0) moved.delete(breaker)
        resolve()
      }
    })
  }

  function pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      clock.setTimeout(resolve, delayMs)
    })
  }

  async function history(breaker: string): Promise<readonly LogEntry[]> {
    if (closed) throw new ClosedError('this instance')
    const messages = await membership.read(breaker)
    const entries: LogEntry[] = []
    let position = unread
    for (const message of messages) {
      const next = fold(position, message)
      position = next.position
      const { verdict } = next
      if (verdict.event === undefined) continue
      const entry = { seq: message.seq, at: message.at, event: verdict.event }
      entries.push(verdict.accepted ? { ...entry, accepted: true } : { ...entry, accepted: false, why: verdict.why })
    }
    return entries.toReversed()
  }
}

function unavailable(message: string, cause?: unknown): UnavailableError {
  return new UnavailableError('event log', message, cause === undefined ? {} : { cause })
}
