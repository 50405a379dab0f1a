import type { Msg, MsgHdrs } from '@nats-io/transport-node'
import { classify, type ClassifiedError } from '../../kernel/classify.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { ItemSink, ItemSource, OpenItems, TakenItem } from '../../ports/item-source.ts'
import type { Logger } from '../../ports/logger.ts'
import type { MessageAnswer } from '../../ports/message-answer.ts'
import type { ConsumerPlace } from './jetstream-consumer.ts'
import { type Hand, type Held, openHand } from './jetstream-hand.ts'
import { openPull, type Pull } from './jetstream-pull.ts'
import { type Delivery, ownBytes } from './stored-message.ts'

/** A message of a stream. */
export interface JetStreamMessage {
  readonly data: Uint8Array
  readonly subject: string
  /** Its stream, and its sequence in there. */
  readonly stream: string
  readonly seq: number
  /** How often it has been delivered, this time included; from 1. */
  readonly deliveries: number
  readonly headers?: MsgHdrs
  /** When it was stored, by the server's clock, in ms since the epoch. */
  readonly storedAt: number
}

/** A message whose data was decoded. */
export interface JetStreamItem<T> extends Omit<JetStreamMessage, 'data'> {
  readonly data: T
}

export interface JetStreamSourceSettings<T> {
  readonly place: ConsumerPlace
  /** Throws for what it cannot read. */
  readonly decode: (data: Uint8Array, message: JetStreamMessage) => T
  /** What an outcome means for a message that was delivered so often. */
  readonly answerTo: (outcome: Outcome<unknown>, deliveries: number) => MessageAnswer
  /** What brings a message again that could not be buried. */
  readonly comeAgain: (deliveries: number) => MessageAnswer
  /** Delivered more often, a message is not handed on but buried. */
  readonly maxDeliveries: number
  /**
   * Puts a message that is not to come again in a safe place; `false` when that could not be done, and then it comes
   * again. Absent: it is terminated, and logged.
   */
  readonly bury: ((message: JetStreamMessage, error: ClassifiedError) => Promise<boolean>) | undefined
  readonly deadlineMs: number
  readonly heartbeatMs: number
  readonly logger: Logger
}

/** The messages of a pull consumer, each acknowledged after its outcome and kept in hand until then. */
export function jetStreamSource<T>(settings: JetStreamSourceSettings<T>): ItemSource<JetStreamItem<T>> {
  return { open: (sink) => openMessages(settings, sink) }
}

function openMessages<T>(settings: JetStreamSourceSettings<T>, sink: ItemSink<JetStreamItem<T>>): OpenItems {
  const { place, maxDeliveries, deadlineMs, heartbeatMs, logger } = settings
  const facts = { stream: place.stream, consumer: place.name }
  const hand = openHand({
    ...place,
    deadlineMs,
    onUnconfirmed: (message, { kind }, error) =>
      logger.warn({ ...facts, message, answer: kind, err: error }, 'the server did not confirm what it was told'),
  })
  const desk: Desk<T> = { settings, hand, facts }
  const pull: Pull = openPull(
    { place, heartbeatMs, deadlineMs },
    {
      onMessage(msg, delivery) {
        const held = hand.take(msg.reply ?? '', delivery)
        if (held === undefined) return pull.request(1)
        const message = messageIn(msg, delivery, place.stream)
        const read = delivery.tries > maxDeliveries ? { error: poison(delivery.tries) } : decoded(settings, message)
        if (!('error' in read)) return sink.item(taken(desk, held, message, read.data))
        // Its place is free when it is gone, so that no more are under way than were asked for.
        void bury(desk, held, message, read.error).then(() => pull.request(1))
      },
      onLate(msg, delivery) {
        const held = hand.take(msg.reply ?? '', delivery)
        if (held !== undefined) void hand.answer(held, { kind: 'nak', delayMs: 0 })
      },
      onTrouble: (why) => logger.warn({ ...facts, why }, 'no messages come at the moment; it is tried again'),
      onEnd: (error) => sink.end(error),
    },
  )
  return pull
}

interface Desk<T> {
  readonly settings: JetStreamSourceSettings<T>
  readonly hand: Hand
  readonly facts: object
}

function taken<T>(desk: Desk<T>, held: Held, message: JetStreamMessage, data: T): TakenItem<JetStreamItem<T>> {
  let settled = false
  return {
    item: { ...message, data },
    settle(outcome) {
      if (settled) return
      settled = true
      const answer = desk.settings.answerTo(outcome, message.deliveries)
      if (answer.kind === 'term' && outcome.status === 'failed') return bury(desk, held, message, outcome.error)
      return desk.hand.answer(held, answer)
    },
  }
}

/** Says where it ends: in its safe place, or nowhere. Where that place cannot be asked, the message comes again. */
async function bury<T>(
  { settings, hand, facts }: Desk<T>,
  held: Held,
  message: JetStreamMessage,
  error: ClassifiedError,
): Promise<void> {
  const { bury, comeAgain, logger } = settings
  const { subject, seq, deliveries } = message
  const what = { ...facts, subject, seq, deliveries, failed: error }
  const buried = bury === undefined || (await bury(message, error))
  if (bury === undefined) logger.error(what, 'a message was terminated, and there is no queue of dead letters')
  else if (buried) logger.warn(what, 'a message was dead-lettered')
  await hand.answer(held, buried ? { kind: 'term' } : comeAgain(deliveries))
}

function messageIn(msg: Msg, { seq, tries, at }: Delivery, stream: string): JetStreamMessage {
  const { subject, headers } = msg
  const message = { data: ownBytes(msg), subject, stream, seq, deliveries: tries, storedAt: at }
  return headers === undefined ? message : { ...message, headers }
}

function decoded<T>(
  { decode }: JetStreamSourceSettings<T>,
  message: JetStreamMessage,
): { readonly data: T } | { readonly error: ClassifiedError } {
  try {
    return { data: decode(message.data, message) }
  } catch (error) {
    return { error: classify(error, { classify: () => ({ type: 'invalid', retryable: false }) }) }
  }
}

function poison(deliveries: number): ClassifiedError {
  const cause = new Error(`delivered ${deliveries} times and never acknowledged`)
  cause.name = 'PoisonMessage'
  return { ...classify(cause, { classify: () => ({ retryable: false }) }), gaveUp: 'attempts' }
}

/** The default of `decode`: JSON in UTF-8. @throws SyntaxError, TypeError */
export function decodeJson(data: Uint8Array): unknown {
  return JSON.parse(utf8.decode(data))
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
