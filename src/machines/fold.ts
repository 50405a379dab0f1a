import type { StoredMessage } from '../ports/event-log.ts'
import { decodeEvent } from './breaker-codec.ts'
import { resolveAfter, type BreakerEvent } from './breaker-events.ts'
import { evolve } from './breaker-machine.ts'
import { initialState, type FleetState, type Mode } from './fleet-state.ts'

/** How far an instance has read one breaker's log, and what it makes of it. */
export interface Position {
  /** Of the last message of this breaker that was read; 0 for none. */
  readonly seq: number
  readonly state: FleetState
  /**
   * The predecessor of what was adopted was not seen, so it may be the loser of a race: such a state may tighten and not
   * loosen. The next message that passes the rules makes it certain.
   */
  readonly provisional: boolean
  /** The accepted event that led to this mode and term, as far as it was seen: who, when, why, on what counts. */
  readonly cause?: Cause
}

export interface Cause {
  readonly by: string
  readonly at: number
  readonly reason: string
  readonly counts: BreakerEvent['counts']
  readonly seq: number
}

/** Before anything was read; one object for all breakers. */
export const unread: Position = Object.freeze({ seq: 0, state: initialState, provisional: false })

/** What became of a message. */
export type Verdict =
  | {
      readonly accepted: true
      readonly event: BreakerEvent
      readonly provisional: boolean
      readonly divergence?: Divergence
    }
  | { readonly accepted: false; readonly why: Refusal; readonly event?: BreakerEvent; readonly detail?: string }

/** Why a message changes nothing. */
export type Refusal =
  | 'undecodable'
  | 'lostRace' // another message was stored on the predecessor that its author saw
  | 'early' // stored before the moment that it waited for
  | 'late' // stored after it had ceased to hold
  | 'forbidden' // the machine's guard does not hold

/** The author's `before`, or the event's own `after`, is not what this instance computed: a bug or another version. */
export interface Divergence {
  readonly of: 'before' | 'after'
  readonly computed: FleetState
  readonly claimed: FleetState
}

/**
 * Reads the next message of a breaker. The verdict is made from the stored message itself and its place, never from what
 * this instance believes, so that every instance makes the same one, whatever it has missed.
 */
export function fold(
  position: Position,
  message: StoredMessage,
): { readonly position: Position; readonly verdict: Verdict } {
  const ignored = (why: Refusal, facts: { event?: BreakerEvent; detail?: string } = {}) => ({
    position: { ...position, seq: message.seq },
    verdict: { accepted: false, why, ...facts } as const,
  })
  let event: BreakerEvent
  try {
    event = decodeEvent(message.data)
    if (event.id !== message.id || event.breaker !== message.topic)
      throw new Error('it is not the event that its headers name')
  } catch (error) {
    return ignored('undecodable', { detail: error instanceof Error ? error.message : String(error) })
  }

  if (message.expected !== position.seq) {
    // Beyond what was read here: the predecessor was dropped by the log, or missed.
    return message.expected > position.seq ? adopt(position, message, event) : ignored('lostRace', { event })
  }
  if (event.notBefore !== null && message.at < event.notBefore) return ignored('early', { event })
  if (message.at > event.validUntil) return ignored('late', { event })

  const next = follow(event, message)
  if (next === undefined) return ignored('forbidden', { event })
  const divergence = compare(position, event, message, next)
  return {
    position: { seq: message.seq, state: next, provisional: false, ...causeOf(position, next, event, message) },
    verdict: { accepted: true, event, provisional: false, ...(divergence !== undefined && { divergence }) },
  }
}

/** What follows from an event by its own `before`; by its `after` where its type is not known here. */
function follow(event: BreakerEvent, { id, at }: StoredMessage): FleetState | undefined {
  if (event.fact === undefined) return resolveAfter(event.after, { id, at })
  return evolve(event.before, { fact: event.fact, id, by: event.by, at })
}

/** Takes the word of a message whose predecessor is unknown. */
function adopt(
  position: Position,
  message: StoredMessage,
  event: BreakerEvent,
): { position: Position; verdict: Verdict } {
  const state = resolveAfter(event.after, message)
  return {
    position: { seq: message.seq, state, provisional: true, ...causeOf(position, state, event, message) },
    verdict: { accepted: true, event, provisional: true },
  }
}

function causeOf(position: Position, next: FleetState, event: BreakerEvent, message: StoredMessage): { cause?: Cause } {
  const { mode, term } = position.state
  if (position.cause !== undefined && next.mode === mode && next.term === term) return { cause: position.cause }
  if (next.mode !== event.to || event.from === event.to) return {}
  return { cause: { by: event.by, at: message.at, reason: event.reason, counts: event.counts, seq: message.seq } }
}

function compare(
  position: Position,
  event: BreakerEvent,
  message: StoredMessage,
  next: FleetState,
): Divergence | undefined {
  if (!position.provisional && !sameState(position.state, event.before)) {
    return { of: 'before', computed: position.state, claimed: event.before }
  }
  const after = resolveAfter(event.after, message)
  return sameState(after, next) ? undefined : { of: 'after', computed: next, claimed: after }
}

/** Whether two states say the same, whatever the order of their keys. */
export function sameState(one: FleetState, other: FleetState): boolean {
  return (
    one === other ||
    (one.mode === other.mode &&
      one.term === other.term &&
      one.failedRecoveries === other.failedRecoveries &&
      one.passes === other.passes &&
      one.attempts === other.attempts &&
      one.retryAt === other.retryAt &&
      one.lease?.fence === other.lease?.fence &&
      one.lease?.holder === other.lease?.holder &&
      one.lease?.attempt === other.lease?.attempt &&
      one.lease?.until === other.lease?.until &&
      one.order?.by === other.order?.by &&
      one.order?.reason === other.order?.reason &&
      one.order?.until === other.order?.until &&
      one.votes.length === other.votes.length &&
      one.votes.every((vote, at) => vote.voter === other.votes[at]?.voter && vote.at === other.votes[at]?.at))
  )
}

/** How much a mode lets through; a provisional state may only make it less. */
export const strictness: Readonly<Record<Mode, number>> = Object.freeze({
  disabled: 0,
  closed: 1,
  halfOpen: 2,
  open: 3,
  forcedOpen: 4,
})
