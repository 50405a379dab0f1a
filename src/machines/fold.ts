import { isDeepStrictEqual } from 'node:util'
import { retainedPerTopic, type StoredMessage } from '../ports/event-log.ts'
import { decodeEvent } from './breaker-codec.ts'
import { resolveAfter, type BreakerEvent } from './breaker-events.ts'
import { evolve } from './breaker-machine.ts'
import { initialState, type FleetState, type Mode } from './fleet-state.ts'

/** How far an instance has read one breaker's log, and what it makes of it. */
export interface Position {
  /** Of the last message of this breaker that was read; 0 for none. */
  readonly seq: number
  /** Of the last message that passed the rules; 0 for none. */
  readonly acceptedSeq: number
  readonly state: FleetState
  /**
   * The predecessor of what was adopted was not seen, so it may be the loser of a race. The next message that passes the
   * rules makes it certain.
   */
  readonly provisional: boolean
  /** A stricter state that stays in force until the log says as much, or more: an uncertain reading must not loosen. */
  readonly held?: Held
  /** The accepted event that led to this mode and term, as far as it was seen: who, when, why, on what counts. */
  readonly cause?: Cause
}

export interface Held {
  readonly state: FleetState
  /**
   * `gap`: what was read certainly, before something was missed. `preview`: the last message of the breaker, before the
   * replay came to it. `epoch`: what was certain in a log that was recreated or truncated since.
   */
  readonly why: 'gap' | 'preview' | 'epoch'
  /** What had led to it, as far as it was seen. */
  readonly cause?: Cause
}

export interface Cause {
  /** The operator whose order it was, else the instance that decided. */
  readonly by: string
  readonly at: number
  readonly reason: string
  readonly counts: BreakerEvent['counts']
  readonly seq: number
}

/** Before anything was read; one object for all breakers. */
export const unread: Position = Object.freeze({ seq: 0, acceptedSeq: 0, state: initialState, provisional: false })

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
  | 'stale' // it was read before
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

export interface Folded {
  readonly position: Position
  readonly verdict: Verdict
}

/** The state that this instance goes by: what it has read, or the stricter one that it still holds. */
export function inForce({ state, held }: Position): FleetState {
  if (held === undefined) return state
  const stricter = strictness[held.state.mode] - strictness[state.mode]
  return stricter > 0 || (stricter === 0 && held.state.term > state.term) ? held.state : state
}

/** What led to the state that this instance goes by, as far as it was seen. */
export function causeInForce(position: Position): Cause | undefined {
  const { held, cause } = position
  return inForce(position) === held?.state ? held.cause : cause
}

/** Reads the next message of a breaker. */
export function fold(position: Position, message: StoredMessage): Folded {
  if (message.seq <= position.seq) return { position, verdict: { accepted: false, why: 'stale' } }
  const judged = judge(position.seq, message)
  if (!judged.accepted) return { position: passOver(position, message), verdict: judged }
  const { event, state, provisional } = judged
  const divergence = provisional ? undefined : compare(position, event, message, state)
  return {
    position: advance(position, message, event, state, provisional),
    verdict: { accepted: true, event, provisional, ...(divergence !== undefined && { divergence }) },
  }
}

/** A message that changes nothing. One that comes after a gap tells, all the same, that something was missed. */
function passOver(position: Position, { seq, expected }: StoredMessage): Position {
  return expected > position.seq ? { ...position, seq, provisional: true } : { ...position, seq }
}

/**
 * Reads what is retained of a breaker at once, with the same result as `fold` one by one: the last message that passes
 * the rules decides alone, so that the others need not be evolved, nor even decoded. Where as much is retained as can be
 * (`retainedMax`), what stood before the first of them is unknown.
 */
export function foldRetained(
  position: Position,
  messages: readonly StoredMessage[],
  retainedMax: number = retainedPerTopic,
): Position {
  const fresh = messages.filter(({ seq }) => seq > position.seq)
  if (fresh.length === 0) return position
  const from = fresh.length < retainedMax ? position : { ...position, seq: unknownSeq }
  for (let at = fresh.length - 1; at >= 0; at--) {
    const message = fresh[at]
    if (message === undefined) continue
    const judged = judge(fresh[at - 1]?.seq ?? from.seq, message)
    if (!judged.accepted || judged.provisional) continue
    const next = advance(position, message, judged.event, judged.state, false)
    const cause = next.cause ?? causeAmong(from, fresh.slice(0, at), judged.state)
    const decided: Position = cause === undefined ? next : { ...next, cause }
    // What follows changes nothing, or comes after a gap.
    return fresh.slice(at + 1).reduce((read, later) => fold(read, later).position, decided)
  }
  return fresh.reduce((read, message) => fold(read, message).position, from)
}

/** Before whatever a message can expect. */
const unknownSeq = -1

/** The last message of a breaker, seen before the replay comes to it: until then, it may tighten and not loosen. */
export function preview(position: Position, message: StoredMessage): Position {
  const judged = judge(unknownSeq, message)
  if (message.seq <= position.seq || !judged.accepted) return position
  const cause = ledTo(judged.state, judged.event) ? factsOf(judged.event, message) : undefined
  const seen: Position = { ...position, held: heldFor('preview', judged.state, cause) }
  return inForce(seen) === judged.state ? seen : position
}

/** The replay is over, so nothing is held for a preview's sake any more. */
export function withoutPreview(position: Position): Position {
  if (position.held?.why !== 'preview') return position
  const { held: _, ...rest } = position
  return rest
}

/** A new log begins: nothing of it was read, and what was in force in the old one stays so until the new one says as much. */
export function intoNewEpoch(position: Position): Position {
  const state = inForce(position)
  return state.term === 0 ? unread : { ...unread, held: heldFor('epoch', state, causeInForce(position)) }
}

/** After a silence in which a contradiction would have come, what was adopted counts as certain. */
export function settle(position: Position): Position {
  const { held, ...rest } = position
  return { ...rest, provisional: false, ...(held?.why === 'epoch' && { held }) }
}

type Judged =
  | { readonly accepted: true; readonly event: BreakerEvent; readonly state: FleetState; readonly provisional: boolean }
  | (Verdict & { readonly accepted: false })

/**
 * The verdict on a stored message, made from itself and its place, never from what this instance believes: so every
 * instance makes the same one, whatever it has missed.
 */
function judge(previousSeq: number, message: StoredMessage): Judged {
  let event: BreakerEvent
  try {
    event = decodeEvent(message.data)
    if (event.id !== message.id || event.breaker !== message.topic)
      throw new Error('it is not the event that its headers name')
  } catch (error) {
    return { accepted: false, why: 'undecodable', detail: error instanceof Error ? error.message : String(error) }
  }
  // Beyond what was read here: the predecessor was dropped by the log, or missed. Its word is taken, for now.
  if (message.expected > previousSeq)
    return { accepted: true, event, state: resolveAfter(event.after, message), provisional: true }
  if (message.expected < previousSeq) return { accepted: false, why: 'lostRace', event }
  if (event.notBefore !== null && message.at < event.notBefore) return { accepted: false, why: 'early', event }
  if (message.at > event.validUntil) return { accepted: false, why: 'late', event }
  const state = follow(event, message)
  return state === undefined
    ? { accepted: false, why: 'forbidden', event }
    : { accepted: true, event, state, provisional: false }
}

/** What follows from an event by its own `before`; by its `after` where its type is not known here. */
function follow(event: BreakerEvent, { id, at }: StoredMessage): FleetState | undefined {
  if (event.fact === undefined) return resolveAfter(event.after, { id, at })
  return evolve(event.before, { fact: event.fact, id, by: event.by, at })
}

function advance(
  position: Position,
  message: StoredMessage,
  event: BreakerEvent,
  state: FleetState,
  provisional: boolean,
): Position {
  const held = provisional ? hold(position) : position.held
  const outlived = held === undefined || (!provisional && state.term >= held.state.term)
  const cause = causeOf(position, state, event, message)
  return {
    seq: message.seq,
    acceptedSeq: provisional ? position.acceptedSeq : message.seq,
    state,
    provisional,
    ...(!outlived && { held }),
    ...(cause !== undefined && { cause }),
  }
}

/** What was in force stays so, at least, while the next state is uncertain. */
function hold(position: Position): Held {
  const state = inForce(position)
  return position.held?.state === state ? position.held : heldFor('gap', state, causeInForce(position))
}

function heldFor(why: Held['why'], state: FleetState, cause: Cause | undefined): Held {
  return { state, why, ...(cause !== undefined && { cause }) }
}

function causeOf(position: Position, next: FleetState, event: BreakerEvent, message: StoredMessage): Cause | undefined {
  const { mode, term } = position.state
  if (position.cause !== undefined && next.mode === mode && next.term === term) return position.cause
  return ledTo(next, event) ? factsOf(event, message) : undefined
}

/** The cause of a state among the messages before the one that was decisive, the latest first. */
function causeAmong(position: Position, messages: readonly StoredMessage[], state: FleetState): Cause | undefined {
  for (let at = messages.length - 1; at >= 0; at--) {
    const message = messages[at]
    if (message === undefined) continue
    const judged = judge(messages[at - 1]?.seq ?? position.seq, message)
    if (judged.accepted && ledTo(state, judged.event)) return factsOf(judged.event, message)
  }
  return undefined
}

/** Whether the event changed the mode to what it is in this state. */
function ledTo({ mode, term }: FleetState, event: BreakerEvent): boolean {
  return event.to === mode && event.term === term && (event.from !== mode || event.before.term !== term)
}

function factsOf({ by, reason, counts, fact }: BreakerEvent, { at, seq }: StoredMessage): Cause {
  const order = fact !== undefined && 'order' in fact ? fact.order : undefined
  return { by: order?.by ?? by, at, reason, counts, seq }
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
  return one === other || isDeepStrictEqual(one, other)
}

/** How little a mode lets through. */
const strictness: Readonly<Record<Mode, number>> = Object.freeze({
  disabled: 0,
  closed: 1,
  halfOpen: 2,
  open: 3,
  forcedOpen: 4,
})
