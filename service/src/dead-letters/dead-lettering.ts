import { classify, type DeadLetters, type LetterDraft, type Logger } from 'switchgear'
import type { Deliver, Failure } from '../delivery/deliver-message.ts'
import type { OutcomeRecord } from '../store/record-outcomes.ts'
import type { Claimed } from '../store/stored-alert.ts'
import type { LetterPayload } from './letter-payload.ts'
import { within } from './within.ts'

/** How long the queue may take to store a letter, in ms. It has deadlines of its own; a disk that hangs has none. */
const enqueueDeadlineMs = 5_000

export interface DeadLetteringOptions {
  readonly deadLetters: Pick<DeadLetters, 'enqueue'>
  readonly logger: Logger
  /** In ms; default 5,000. */
  readonly deadlineMs?: number
}

/**
 * Delivers, and writes a letter of what has failed for good before that is recorded as its outcome: who dies in between
 * finds the letter there, under the same id. Where the queue cannot take it the outcome is `failed`, and says so.
 */
export function deadLettering(deliver: Deliver, options: DeadLetteringOptions): Deliver {
  return async (delivery) => {
    const delivered = await deliver(delivery)
    const { record, failure } = delivered
    if (failure === undefined) return delivered
    return { ...delivered, record: await withLetter(options, delivery.message, record, failure) }
  }
}

async function withLetter(
  { deadLetters, logger, deadlineMs = enqueueDeadlineMs }: DeadLetteringOptions,
  message: Claimed,
  record: OutcomeRecord,
  failure: Failure,
): Promise<OutcomeRecord> {
  const facts = factsOf(message, record)
  try {
    const { id } = await within(
      deadlineMs,
      'the queue of dead letters',
      deadLetters.enqueue(draftOf(message, record, failure)),
    )
    logger.warn({ ...facts, letter: id }, 'a message was dead-lettered')
    return { ...record, letterId: id }
  } catch (error) {
    logger.error({ error, ...facts }, 'a message has failed, and its dead letter could not be written')
    const lastError = `${record.lastError ?? failure.message}; its dead letter could not be written: ${classify(error).message}`
    return { ...record, state: 'failed', lastError }
  }
}

/** The letter has the message's id: there is one of each, however often it is written. */
function draftOf(message: Claimed, record: OutcomeRecord, failure: Failure): LetterDraft {
  const { id, alert, channel, receiver, destination } = message
  const { attempts, reached, refused = message.refused } = record
  const payload: LetterPayload = { alert, receiver, destination, reached, refused }
  return {
    organization: alert.organization,
    channel,
    messageId: id,
    payload,
    error: failure,
    attempts: attempts.map(({ at, error = 'nobody knows how it ended' }) => ({ at, error })),
    id,
  }
}

function factsOf({ id, alert, receiver, destination }: Claimed, { reason, lastError }: OutcomeRecord): object {
  return { message: id, organization: alert.organization, alert: alert.id, receiver, destination, reason, lastError }
}
