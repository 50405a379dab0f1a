import { classify, type ClassifiedError, type Outcome, type RetryPolicy, type Switchgear } from 'switchgear'
import type { Sending } from '../channels/channel.ts'
import { type Channels, sendBy } from '../channels/channels.ts'
import { outboxMessage } from '../channels/outbox.ts'
import { isOutbox } from '../config/destination.ts'
import { type Organizations, type Receiver, receiverOf } from '../config/organizations.ts'
import type { OutcomeRecord } from '../store/record-outcomes.ts'
import type { Claimed } from '../store/stored-alert.ts'
import { askedToWait } from './asked-to-wait.ts'
import { type AttemptLog, attemptLog } from './attempt-log.ts'
import {
  AskedToWaitError,
  DestinationRefusedError,
  ExpiredError,
  HandedBackError,
  HeldBackError,
  ReceiverGoneError,
} from './delivery-errors.ts'
import type { Holds } from './holds.ts'
import { classifyDelivery } from './judge-delivery.ts'

export interface DeliverOptions {
  readonly gear: Pick<Switchgear, 'safeCall' | 'limiter'>
  readonly organizations: Organizations
  readonly channels: Channels
  readonly holds: Holds
  /** How `engine.retry` says to try again. */
  readonly retry: RetryPolicy
}

/** A message on its way. */
export interface Delivery {
  readonly message: Claimed
  /** Aborts what is under way; the message is handed back. */
  readonly signal: AbortSignal
  /** Set when the service is stopping: no further attempt begins. */
  stopping: boolean
  /**
   * Attempts that had better not be broken off: their bytes may be on the wire, or they have come to an end that trying
   * again cannot better, and the outcome is about to say so.
   */
  sending: number
}

/** What became of a message, and what its destination asked for. */
export interface Delivered {
  readonly record: OutcomeRecord
  /** How long the destination is to be left alone, in ms from now. */
  readonly holdMs?: number
  /** Why it has failed for good: there where the record says `deadLettered`. */
  readonly failure?: Failure
}

/** What a dead letter says of why. */
export type Failure = Pick<ClassifiedError, 'type' | 'retryable' | 'name' | 'message'>

/** How long a message waits that found no room for another breaker, in ms. */
const noRoomWaitMs = 1_000

/** How long a message waits whose receiver has moved, in ms: while instances are replaced they disagree on where it is. */
const movedWaitMs = 1_000

/** Sends one message through the library: its destination's breaker, the retry policy, one outcome. Never rejects. */
export type Deliver = (delivery: Delivery) => Promise<Delivered>

export function deliverMessage(options: DeliverOptions): Deliver {
  const { organizations } = options
  return async (delivery) => {
    const { message } = delivery
    if (message.leftMs <= 0) return expired(message)
    const receiver = receiverOf(organizations, message.alert.organization, message.receiver)
    if (receiver === undefined) return hopeless(message, new ReceiverGoneError(message.receiver))
    if (receiver.destination !== message.destination)
      return {
        record: { ...untouched(message), state: 'pending', dueInMs: movedWaitMs, destination: receiver.destination },
      }
    if (isOutbox(receiver.destination)) return { record: await intoOutbox(options, message, receiver) }
    return send(options, delivery, receiver)
  }
}

async function send(options: DeliverOptions, delivery: Delivery, receiver: Receiver): Promise<Delivered> {
  const { gear, retry } = options
  const { message, signal } = delivery
  const log = attemptLog(message.attempts)
  const recipients: Recipients = {
    reached: new Set(message.reached),
    refused: new Map(Object.entries(message.refused)),
  }
  const expiresAt = performance.now() + message.leftMs
  try {
    const outcome = await gear.safeCall(
      {
        breaker: message.destination,
        retry: { ...retry, classify: classifyDelivery, onRetry: ({ error }) => log.failed(error.message) },
        // Once a message: what was tried before has counted.
        limit: message.attempts.length === 0 ? limitOf(message) : undefined,
        signal,
      },
      (call) => attempt(options, { delivery, receiver, log, recipients, expiresAt, signal: call.signal }),
    )
    return delivered(message, outcome, log, recipients)
  } catch (error) {
    const failure = classify(error)
    log.failed(failure.message)
    return final({ id: message.id, attempts: log.records, ...rowsOf(recipients) }, failure)
  }
}

/** What the recipients of one message have said, where there are several. */
type Recipients = Pick<Sending, 'reached' | 'refused'>

function rowsOf({ reached, refused }: Recipients): Required<Pick<OutcomeRecord, 'reached' | 'refused'>> {
  return { reached: [...reached], refused: Object.fromEntries(refused) }
}

interface AttemptContext {
  readonly delivery: Delivery
  readonly receiver: Receiver
  readonly log: AttemptLog
  readonly recipients: Recipients
  /** Monotonic, in ms. */
  readonly expiresAt: number
  readonly signal: AbortSignal
}

async function attempt({ channels, holds, organizations }: DeliverOptions, context: AttemptContext): Promise<void> {
  const { delivery, receiver, log, recipients, expiresAt, signal } = context
  const { message } = delivery
  if (delivery.stopping) throw new HandedBackError()
  if (performance.now() >= expiresAt) throw new ExpiredError()
  const heldMs = holds.leftMs(message.destination)
  if (heldMs > 0) throw new HeldBackError(message.destination, heldMs)
  log.begin()
  delivery.sending += 1
  try {
    await sendBy(channels, {
      messageId: message.id,
      alert: message.alert,
      receiver: receiver.name,
      target: receiver.target,
      ...recipients,
      signal,
    })
    // Its time was over before: the one after it, if any, counts for itself.
    if (signal.aborted) delivery.sending -= 1
  } catch (error) {
    const { retryable } = classify(error, { classify: classifyDelivery })
    if (retryable || signal.aborted) delivery.sending -= 1
    const asked = askedToWait(error, organizations.get(message.alert.organization)?.maxAgeMs ?? Infinity)
    if (asked !== undefined) {
      holds.hold(message.destination, asked.waitMs)
      throw asked
    }
    if (delivery.stopping && retryable) throw new HandedBackError({ cause: error })
    throw error
  }
}

function delivered(message: Claimed, outcome: Outcome<void>, log: AttemptLog, recipients: Recipients): Delivered {
  const facts = { id: message.id, attempts: log.records, ...rowsOf(recipients) }
  switch (outcome.status) {
    case 'delivered':
    case 'fallback':
      return { record: { ...facts, state: 'delivered' } }
    case 'refused':
      // Nobody knows how the attempt under way would have ended.
      log.failed('it was broken off: the service was stopping')
      return refused(outcome, facts)
    case 'failed':
    case 'deadLettered': {
      const { error } = outcome
      log.failed(error.message)
      return failed(error, facts)
    }
  }
}

type Facts = Pick<OutcomeRecord, 'id' | 'attempts' | 'reached' | 'refused'>

function refused(outcome: Extract<Outcome<void>, { status: 'refused' }>, facts: Facts): Delivered {
  switch (outcome.reason) {
    case 'breakerOpen':
      return final(facts, classify(new DestinationRefusedError(outcome.retryAfterMs)))
    case 'rateLimited':
      return { record: { ...facts, state: 'refused', reason: 'rateLimited' } }
    case 'overCapacity':
      return { record: { ...facts, state: 'pending', dueInMs: noRoomWaitMs } }
    case 'aborted':
    case 'closing':
      return { record: { ...facts, state: 'pending', dueInMs: 0 } }
  }
}

function failed(error: ClassifiedError, facts: Facts): Delivered {
  const { cause, message } = error
  if (cause instanceof AskedToWaitError)
    return {
      record: { ...facts, state: 'pending', dueInMs: cause.waitMs, lastError: message },
      holdMs: cause.waitMs,
    }
  if (cause instanceof HeldBackError) return { record: { ...facts, state: 'pending', dueInMs: cause.leftMs } }
  if (cause instanceof HandedBackError) return { record: { ...facts, state: 'pending', dueInMs: 0 } }
  return final(facts, error)
}

/** The end of a message that was not delivered. */
function final(facts: Facts, failure: Failure): Delivered {
  const { type, message } = failure
  return { record: { ...facts, state: 'deadLettered', reason: type, lastError: message }, failure }
}

function hopeless(message: Claimed, error: Error): Delivered {
  return final(untouched(message), classify(error))
}

/** What it failed of before it was too late says more than that it was. */
function expired(message: Claimed): Delivered {
  const failure = classify(new ExpiredError(), { classify: classifyDelivery })
  const { record } = final(untouched(message), failure)
  const before = message.attempts.findLast(({ error }) => error !== undefined)?.error
  return { record: before === undefined ? record : { ...record, lastError: before }, failure }
}

function untouched({ id, attempts, reached, refused: by }: Claimed): Facts {
  return { id, attempts, reached, refused: by }
}

/** Whose limit a message counts against, and which. */
function limitOf({ alert, channel }: Claimed): { readonly key: string; readonly names: string } {
  return { key: alert.organization, names: channel }
}

async function intoOutbox({ gear }: DeliverOptions, message: Claimed, receiver: Receiver): Promise<OutcomeRecord> {
  const { key, names } = limitOf(message)
  const { allowed } = await gear.limiter.check(key, names)
  if (!allowed) return { ...untouched(message), state: 'refused', reason: 'rateLimited' }
  const outbox = outboxMessage(receiver, message.alert, message.id)
  return { ...untouched(message), state: 'delivered', reason: 'outbox', outbox }
}
