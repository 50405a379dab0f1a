import type { Logger, Outcome } from 'switchgear'
import type { MessageLetters } from '../dead-letters/message-letters.ts'
import type { OutcomeRecord } from '../store/record-outcomes.ts'
import type { Sent } from './deliver-messages.ts'
import type { MessageInHand } from './message-in-hand.ts'
import type { Recorder } from './outcome-recorder.ts'

/** How long a message waits that found no room for another breaker, in ms. */
const noRoomWaitMs = 1_000

/**
 * How long a message waits, in ms, until its destination is looked at again: at most, since an operator may release it
 * sooner; and where only an operator can.
 */
const waitMs = { max: 60_000, untilReleased: 1_000 }

export interface SettleOptions {
  readonly recorder: Recorder<OutcomeRecord>
  readonly letters: Pick<MessageLetters, 'whyNot'>
  readonly logger: Logger
}

/** Writes what became of a message, in words of the store. Resolves when it is written, and gives that. Never rejects. */
export async function settleMessage(
  { recorder, letters, logger }: SettleOptions,
  item: MessageInHand,
  outcome: Outcome<Sent>,
): Promise<OutcomeRecord> {
  const record = { ...factsOf(item), ...becameOf(item, outcome, letters) }
  tell(item, record, logger)
  await recorder.record(record)
  return record
}

type Became = Omit<OutcomeRecord, 'id' | 'attempts' | 'reached' | 'refused'>

function factsOf({ message, attempts, reached, refused }: MessageInHand): Omit<OutcomeRecord, 'state'> {
  return {
    id: message.id,
    attempts: attempts.records,
    reached: [...reached],
    refused: Object.fromEntries(refused),
  }
}

function becameOf(item: MessageInHand, outcome: Outcome<Sent>, letters: SettleOptions['letters']): Became {
  switch (outcome.status) {
    case 'delivered':
    case 'fallback': {
      const { outbox } = outcome.value
      return outbox === undefined ? { state: 'delivered' } : { state: 'delivered', reason: 'outbox', outbox }
    }
    case 'deadLettered': {
      const { error, letterId } = outcome
      return { state: 'deadLettered', reason: error.type, lastError: lastErrorOf(item, error), letterId }
    }
    case 'failed': {
      const { error } = outcome
      const whyNot = letters.whyNot(item.message.id) ?? 'it could not be described'
      const lastError = `${lastErrorOf(item, error)}; its dead letter could not be written: ${whyNot}`
      return { state: 'failed', reason: error.type, lastError }
    }
    case 'refused':
      return refused(item, outcome)
  }
}

function refused(
  item: MessageInHand,
  { reason, retryAfterMs = 0 }: Extract<Outcome<Sent>, { status: 'refused' }>,
): Became {
  switch (reason) {
    case 'rateLimited':
      return { state: 'refused', reason }
    case 'breakerOpen': {
      const lastError = item.attempts.records.at(-1)?.error
      const dueInMs = retryAfterMs === Infinity ? waitMs.untilReleased : Math.min(retryAfterMs, waitMs.max)
      return { state: 'pending', dueInMs, ...(lastError === undefined ? {} : { lastError }) }
    }
    case 'overCapacity':
      return { state: 'pending', dueInMs: noRoomWaitMs }
    case 'aborted':
    case 'closing':
      return { state: 'pending', dueInMs: 0 }
  }
}

/** What it failed of before it was too late says more than that it was. */
function lastErrorOf(
  { attempts }: MessageInHand,
  { type, message }: { readonly type: string; readonly message: string },
) {
  const before = attempts.records.findLast(({ error }) => error !== undefined)?.error
  return type === 'expired' && before !== undefined ? before : message
}

function tell({ message }: MessageInHand, { state, reason, lastError, letterId }: OutcomeRecord, logger: Logger): void {
  const { id, alert, receiver, destination } = message
  const { organization, id: alertId } = alert
  const trace = message.traceparent?.slice('00-'.length, 35)
  const facts = { message: id, organization, alert: alertId, receiver, destination, reason, lastError, trace }
  if (state === 'deadLettered') logger.warn({ ...facts, letter: letterId }, 'a message was dead-lettered')
  if (state === 'failed') logger.error(facts, 'a message has failed, and its dead letter could not be written')
}
