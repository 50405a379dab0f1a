import { classify, type ClassifiedError, type DeadLetters, type Letter, type LetterDraft } from 'switchgear'
import type { MessageInHand } from '../delivery/message-in-hand.ts'
import type { LetterPayload } from './letter-payload.ts'
import { within } from './within.ts'

/** How long the queue may take to store a letter, in ms. It has deadlines of its own; a disk that hangs has none. */
const enqueueDeadlineMs = 5_000

/** The queue of dead letters, as it takes those of messages: in time, or not at all. */
export interface MessageLetters {
  readonly queue: { enqueue(draft: LetterDraft): Promise<Letter> }
  /** Why the letter of a message could not be written, for whoever asks first. */
  whyNot(messageId: string): string | undefined
}

export function messageLetters(
  deadLetters: Pick<DeadLetters, 'enqueue'>,
  { deadlineMs = enqueueDeadlineMs }: { readonly deadlineMs?: number } = {},
): MessageLetters {
  const failures = new Map<string, string>()
  return {
    queue: {
      async enqueue(draft) {
        try {
          return await within(deadlineMs, 'the queue of dead letters', deadLetters.enqueue(draft))
        } catch (error) {
          failures.set(draft.messageId, classify(error).message)
          throw error
        }
      },
    },
    whyNot(messageId) {
      const why = failures.get(messageId)
      failures.delete(messageId)
      return why
    },
  }
}

/** The letter has the message's id: there is one of each, however often it is written. */
export function letterOf({ message, attempts, reached, refused }: MessageInHand, error: ClassifiedError): LetterDraft {
  const { id, alert, channel, receiver, destination, traceparent } = message
  const payload: LetterPayload = {
    alert,
    receiver,
    destination,
    reached: [...reached],
    refused: Object.fromEntries(refused),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
  return {
    organization: alert.organization,
    channel,
    messageId: id,
    payload,
    error,
    attempts: attempts.records.map(({ at, error: why = 'nobody knows how it ended' }) => ({ at, error: why })),
    id,
  }
}
