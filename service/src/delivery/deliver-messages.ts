import {
  classify,
  deliver,
  fromItemSource,
  type ItemSource,
  type PipelineGauge,
  type RetryPolicy,
  type Switchgear,
} from 'switchgear'
import { outboxMessage } from '../channels/outbox.ts'
import { isOutbox } from '../config/destination.ts'
import { letterOf, type MessageLetters } from '../dead-letters/message-letters.ts'
import { classifyDelivery } from './judge-delivery.ts'
import type { MessageInHand } from './message-in-hand.ts'
import { ReceiverGoneError } from './receiver-gone-error.ts'
import { sendMessage, type SendParts } from './send-message.ts'
import { traceAttempt } from '../telemetry/traceparent.ts'

/** Messages that one instance has in its hands at the same time. */
export const messagesAtOnce = 128

/** How long stopping may take until what is being sent is handed back, in ms. Longer than an attempt may take. */
export const drainDeadlineMs = 15_000

export interface DeliverMessagesOptions extends SendParts {
  readonly gear: Pick<Switchgear, 'breaker' | 'limiter'>
  /** How `engine.retry` says to try again. */
  readonly retry: RetryPolicy
  readonly letters: Pick<MessageLetters, 'queue'>
  /** Says what is in hand. */
  readonly gauge: PipelineGauge
  /** Drains: what waits is handed back, what is being sent has `drainDeadlineMs`. */
  readonly signal: AbortSignal
}

/** What a message that was delivered leaves behind: what goes to the outbox, where it was not sent. */
export interface Sent {
  readonly outbox?: object
}

/**
 * Sends messages through the library: each by the breaker of its destination, with the retry policy, within the limit of its
 * channel, to one outcome. While a destination is not to be asked its messages wait in the store, and not here. Resolves
 * when it was drained and everything that was in hand is settled.
 */
export function deliverMessages(messages: ItemSource<MessageInHand>, options: DeliverMessagesOptions): Promise<void> {
  const { gear, retry, letters, gauge, holds, signal } = options
  const delivered$ = fromItemSource(messages).pipe(
    deliver<MessageInHand, Sent>({
      through: (item) => breakerOf(options, item),
      to: (item, call) => attempt(options, item, call.signal),
      retry: { ...retry, classify: classifyDelivery },
      concurrency: messagesAtOnce,
      maxWaiting: 0,
      key: ({ message }) => message.alert.organization,
      limit: { limiter: gear.limiter, names: limitOf, onLimited: 'refuse' },
      waitInHandMs: 0,
      maxAgeMs: ({ message }) => message.leftMs,
      deadLetter: { queue: letters.queue, describe: letterOf },
      ...{ gauge, holds, signal, drainMs: drainDeadlineMs },
    }),
  )
  return new Promise((resolve, reject) => void delivered$.subscribe({ complete: resolve, error: reject }))
}

/** The outbox has none, since nothing can fail there. @throws ReceiverGoneError */
function breakerOf({ gear }: DeliverMessagesOptions, { message, receiver }: MessageInHand) {
  if (receiver === undefined) throw new ReceiverGoneError(message.receiver)
  return isOutbox(receiver.destination) ? undefined : gear.breaker(receiver.destination)
}

/** Once a message: what was tried before has counted. */
function limitOf({ message }: MessageInHand): string | undefined {
  return message.attempts.length === 0 ? message.channel : undefined
}

async function attempt(options: DeliverMessagesOptions, item: MessageInHand, signal: AbortSignal): Promise<Sent> {
  const { message, receiver, attempts, reached, refused } = item
  const { id: messageId, alert } = message
  if (receiver === undefined) throw new ReceiverGoneError(message.receiver)
  if (isOutbox(receiver.destination)) return { outbox: outboxMessage(receiver, alert, messageId) }
  const failed = attempts.begin()
  const onAbort = (): void => failed(whyAborted(signal.reason))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await traceAttempt({ traceparent: message.traceparent, attributes: attributesOf(item) }, (traceparent) =>
      sendMessage(options, receiver, { messageId, alert, reached, refused, signal, traceparent }),
    )
    return {}
  } catch (error) {
    failed(classify(error).message)
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function attributesOf({ message }: MessageInHand): Record<string, string> {
  const { id, alert, channel, destination } = message
  return {
    'switchgear.message': id,
    'switchgear.alert': alert.id,
    'switchgear.channel': channel,
    'switchgear.breaker': destination,
  }
}

/** The breaker ends an attempt that takes too long; else nobody knows how it would have ended. */
function whyAborted(reason: unknown): string {
  const { type, message } = classify(reason)
  return type === 'timeout' ? message : 'it was broken off: the service was stopping'
}
