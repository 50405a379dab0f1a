import type { Consumer } from '@nats-io/jetstream'
import {
  classify,
  type DeadLetters,
  type Letter,
  type LetterDraft,
  type Logger,
  OverCapacityError,
  type Outcome,
  retry,
  type RetryPolicy,
  UnavailableError,
} from 'switchgear'
import { encodeToken, fromJetStream, type JetStreamItem, type JetStreamMessage } from 'switchgear/nats'
import type { Organizations } from '../config/organizations.ts'
import type { Acceptance, AlertIntake } from './accept-alerts.ts'
import type { AlertDraft } from './alert-schema.ts'
import { limitQueue } from './limit-queue.ts'
import { alertTokenOf } from './nats-alerts.ts'
import { readTraceparent } from '../telemetry/traceparent.ts'
import { NotAnAlertError, readAlert } from './nats-message.ts'

export interface NatsIntakeCounts {
  /** Stored and acknowledged, or there already. */
  stored: number
  /** Handed back, since the limit of their organization was reached. One message may be so more than once. */
  limited: number
  /** Dead-lettered, and not tried again. */
  invalid: number
}

export interface NatsConsuming {
  readonly fleet: string
  readonly intake: Pick<AlertIntake, 'accept'>
  readonly organizations: Pick<Organizations, 'keys'>
  readonly deadLetters: Pick<DeadLetters, 'enqueue'>
  readonly logger: Logger
  readonly counts: NatsIntakeCounts
  readonly signal: AbortSignal
}

/** So many are in hand: as many as one insert takes. */
const inHandMax = 1_000

/** So often a message may go back, which is for a day and more; then it is dead-lettered. */
const deliveriesMax = 1_000

/** Of a message that is dead-lettered so much is kept, in characters or bytes. A whole alert is shorter. */
const keptMax = 131_072

/**
 * Takes alerts in until the signal aborts: each is acknowledged when it is stored. While the store is away they are held,
 * and nothing is acknowledged. Resolves when everything in hand has its answer; rejects when the consumer is gone.
 */
export function consumeAlerts(consumer: Consumer, consuming: NatsConsuming): Promise<void> {
  const { fleet, logger, signal } = consuming
  const answer = answering(consuming)
  return new Promise((resolve, reject) => {
    let inHand = 0
    let done: (() => void) | undefined
    const open = fromJetStream(consumer, {
      decode: (_, message) => readAlert(message, alertTokenOf(fleet, message.subject)),
      deadLetter: burying(consuming),
      maxDeliveries: deliveriesMax,
      logger,
    }).items.open({
      item({ item, settle }) {
        inHand += 1
        void answer(item)
          .then(settle)
          .finally(() => {
            inHand -= 1
            if (done === undefined) open.request(1)
            else if (inHand === 0) done()
          })
      },
      end: (error) => finish(() => reject(error)),
    })
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    else open.request(inHandMax)

    function stop(): void {
      open.close()
      finish(resolve)
    }

    function finish(settled: () => void): void {
      signal.removeEventListener('abort', stop)
      done ??= settled
      if (inHand === 0) done()
    }
  })
}

/** Gives what becomes of an alert. Never rejects. */
function answering(consuming: NatsConsuming): (item: JetStreamItem<AlertDraft>) => Promise<Outcome<undefined>> {
  const { intake, signal, counts, logger } = consuming
  const untilStored = retry({ ...whileStoreIsAway, signal })
  const comeBackInMs = limitQueue()
  return async (item) => {
    const since = performance.now()
    const made = (): { attempts: number; durationMs: number } => ({
      attempts: 1,
      durationMs: performance.now() - since,
    })
    try {
      const traceparent = readTraceparent(item.headers?.get('traceparent'))
      // A message whose acknowledgement is lost comes again: its alert is known by the key, and not stored twice.
      const acceptance = await untilStored(() => intake.accept([item.data], keyOf(item), traceparent))
      if (acceptance.status === 'limited') {
        counts.limited += 1
        const { organization, decision } = acceptance
        return { status: 'refused', reason: 'rateLimited', retryAfterMs: comeBackInMs(organization, decision) }
      }
      checkAccepted(acceptance)
      counts.stored += 1
      return { status: 'delivered', value: undefined, ...made() }
    } catch (error) {
      if (signal.aborted) return { status: 'refused', reason: 'closing' }
      if (!(error instanceof NotAnAlertError)) logger.error({ error, message: keyOf(item) }, 'an alert was not stored')
      return { status: 'failed', error: classify(error), ...made() }
    }
  }
}

const whileStoreIsAway: RetryPolicy = {
  maxAttempts: Number.MAX_SAFE_INTEGER,
  baseDelayMs: 250,
  maxDelayMs: 5_000,
  jitter: 'equal',
  classify: (error) => ({ retryable: error instanceof UnavailableError || error instanceof OverCapacityError }),
}

function keyOf({ stream, seq, storedAt }: JetStreamMessage | JetStreamItem<unknown>): string {
  return `${stream}.${seq}.${storedAt}`
}

/** @throws NotAnAlertError for what is refused whenever it comes. */
function checkAccepted(acceptance: Exclude<Acceptance, { readonly status: 'limited' }>): void {
  if (acceptance.status === 'conflict')
    throw new NotAnAlertError(`id: "${acceptance.id}" is the id of another alert of this organization`)
  if (acceptance.status === 'unknownOrganization')
    throw new NotAnAlertError(`organization: "${acceptance.organization}" is not known`)
}

/**
 * What is no alert becomes a letter of the organization in its subject, or of the operator where none is known by that
 * name: publishers must not be able to make organizations.
 */
function burying({ fleet, organizations, deadLetters, counts }: NatsConsuming) {
  const names = new Map([...organizations.keys()].map((name) => [encodeToken(name), name]))
  return {
    queue: {
      async enqueue(draft: LetterDraft): Promise<Letter> {
        const letter = await deadLetters.enqueue(draft)
        counts.invalid += 1
        return letter
      },
    },
    describe: (message: JetStreamMessage): Omit<LetterDraft, 'error'> => ({
      organization: names.get(alertTokenOf(fleet, message.subject)) ?? operator,
      channel: 'intake',
      messageId: keyOf(message),
      id: keyOf(message),
      payload: { subject: message.subject, data: textOf(message.data) ?? message.data.subarray(0, keptMax) },
    }),
  }
}

const operator = '*'

function textOf(data: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data).slice(0, keptMax)
  } catch {
    return undefined
  }
}
