import { z } from 'zod'
import { type ConsumerPlace, type JetStreamConsumer, readConsumer } from '../adapters/nats/jetstream-consumer.ts'
import {
  decodeJson,
  type JetStreamItem,
  type JetStreamMessage,
  jetStreamSource,
} from '../adapters/nats/jetstream-source.ts'
import type { ClassifiedError } from '../kernel/classify.ts'
import { ConfigError } from '../kernel/errors.ts'
import { callable, count, durationMs, hasMethods, parseOptions } from '../kernel/options.ts'
import { type Logger, quietly, silentLogger } from '../ports/logger.ts'
import { systemRandom } from '../ports/random.ts'
import { type Description, type LetterSink, writeDeadLetter } from '../streams/dead-letters/write-dead-letter.ts'
import { answerTo, comeAgain } from '../streams/pipeline/answer-to.ts'
import { SourceObservable } from '../streams/pipeline/source-observable.ts'

export interface FromJetStreamOptions<T> {
  /** Reads a message, and throws for what it cannot read. JSON in UTF-8. */
  readonly decode?: ((data: Uint8Array, message: JetStreamMessage) => T) | undefined
  /**
   * Where messages end that cannot be decoded (`invalid`), that were delivered more than `maxDeliveries` times
   * (`unknown`, named PoisonMessage), and that failed for good without a letter of `deliver`'s. Default: they are
   * terminated, and the logger is told.
   */
  readonly deadLetter?: JetStreamDeadLetter | undefined
  /**
   * A message that was delivered more often is dead-lettered and not handed on; 10. Only with `deadLetter`. The server
   * counts a delivery whenever a message was handed back, or was in hand of a process that died.
   */
  readonly maxDeliveries?: number | undefined
  /** The longest that anything asked of the server may take, in ms; 5,000. */
  readonly deadlineMs?: number | undefined
  /** How often a silent server shows that it is there, in ms, from 100 to 15,000; 2,000. After two or three missing it is asked anew. */
  readonly heartbeatMs?: number | undefined
  readonly logger?: Logger | undefined
}

export interface JetStreamDeadLetter {
  readonly queue: LetterSink
  /**
   * The draft of the letter. Default: the stream for the organization, the consumer for the channel, and `subject`,
   * `headers` and `data` (as text, or as bytes where it is none) for the payload, under an id of the message's own.
   */
  readonly describe?: ((message: JetStreamMessage, error: ClassifiedError) => Description) | undefined
}

export const fromJetStreamDefaults: Readonly<{ maxDeliveries: number; deadlineMs: number; heartbeatMs: number }> =
  Object.freeze({ maxDeliveries: 10, deadlineMs: 5_000, heartbeatMs: 2_000 })

/**
 * The messages of a JetStream pull consumer, for `deliver` directly behind it: it asks for as many as there is room for,
 * and each is acknowledged after its outcome. Until then the server is told that it is in hand, three times in each
 * `ack_wait`, so waiting, for a breaker or a limit, spends no delivery and moves nothing to another process.
 *
 * ```text
 *   stream             1   2   3   4   5
 *   fromJetStream      ----1-2-----------3-4------    request(2)      request(2)
 *   deliver({ … })     ---------1'-----2'----3'---
 *   to the server               +ACK   +ACK  +ACK     working() meanwhile
 * ```
 * `delivered`, `deadLettered` and `fallback` acknowledge. `failed` comes again after a growing delay, at most a minute,
 * where the error says that it may succeed, and else is dead-lettered or terminated. `refused` comes again after the time
 * that the outcome names, and at once when the pipeline ends. At least once: a message whose process died, or whose
 * acknowledgement was lost with the connection, is delivered again after `ack_wait`.
 *
 * It goes on by itself when the server is restarted or silent, and ends with `UnavailableError` when the consumer, or the
 * connection, is gone. The connection stays the caller's.
 * @throws ConfigError
 * @example
 * const consumer = await jetstream(nc).consumers.get('ORDERS', 'mailer')
 * fromJetStream(consumer, { decode }).pipe(deliver({ through: smtp, to: ({ data }, call) => send(data, call.signal) }))
 */
export function fromJetStream<T>(
  consumer: JetStreamConsumer,
  options: FromJetStreamOptions<T> & Required<Pick<FromJetStreamOptions<T>, 'decode'>>,
): SourceObservable<JetStreamItem<T>>
export function fromJetStream(
  consumer: JetStreamConsumer,
  options?: FromJetStreamOptions<unknown>,
): SourceObservable<JetStreamItem<unknown>>
export function fromJetStream(
  consumer: JetStreamConsumer,
  options: FromJetStreamOptions<unknown> = {},
): SourceObservable<JetStreamItem<unknown>> {
  const given = parseOptions(schema, options, 'fromJetStream')
  const place = readConsumer(consumer)
  const logger = quietly(given.logger ?? silentLogger)
  return new SourceObservable(
    jetStreamSource({
      place,
      decode: given.decode ?? decodeJson,
      answerTo: (outcome, deliveries) => answerTo(outcome, deliveries, systemRandom.next()),
      comeAgain: (deliveries) => comeAgain(deliveries, systemRandom.next()),
      maxDeliveries: deliveriesOf(place, given),
      bury: given.deadLetter === undefined ? undefined : buryingIn(given.deadLetter, place.name, logger),
      deadlineMs: given.deadlineMs ?? fromJetStreamDefaults.deadlineMs,
      heartbeatMs: given.heartbeatMs ?? fromJetStreamDefaults.heartbeatMs,
      logger,
    }),
  )
}

/** Without a place for poison there is no bound of ours. @throws ConfigError where the server's own comes first. */
function deliveriesOf(
  { deliveriesMax }: ConsumerPlace,
  { deadLetter, maxDeliveries }: FromJetStreamOptions<unknown>,
): number {
  if (deadLetter === undefined) return Infinity
  const most = maxDeliveries ?? fromJetStreamDefaults.maxDeliveries
  if (deliveriesMax > most) return most
  const rule = `expected fewer than the consumer's max_deliver, ${deliveriesMax}, after which a message just vanishes`
  throw new ConfigError('fromJetStream.maxDeliveries', `${rule} (given: ${most})`)
}

function buryingIn({ queue, describe }: JetStreamDeadLetter, consumer: string, logger: Logger) {
  return async (message: JetStreamMessage, error: ClassifiedError): Promise<boolean> => {
    const description = (): Description => describe?.(message, error) ?? described(message, consumer)
    const id = await writeDeadLetter({ deadLetters: queue, logger }, description, { error, attemptErrors: [] })
    return id !== undefined
  }
}

/** A stream that was made again counts from 1 again: the time tells its messages from those before. */
function described({ stream, seq, storedAt, subject, headers, data }: JetStreamMessage, consumer: string): Description {
  const id = `${stream}.${seq}.${storedAt}`.slice(-nameCharactersMax)
  return {
    organization: stream.slice(-nameCharactersMax),
    channel: consumer.slice(-nameCharactersMax),
    messageId: id,
    id,
    payload: {
      subject,
      ...(headers !== undefined && { headers: Object.fromEntries(headers) }),
      data: textOf(data) ?? data,
    },
  }
}

const nameCharactersMax = 128

function textOf(data: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data)
  } catch {
    return undefined
  }
}

const schema: z.ZodType<FromJetStreamOptions<unknown>> = z
  .strictObject({
    decode: callable<NonNullable<FromJetStreamOptions<unknown>['decode']>>().optional(),
    deadLetter: z
      .strictObject({
        queue: z.custom<LetterSink>((value) => hasMethods(value, ['enqueue']), 'expected a queue: { enqueue(draft) }'),
        describe: callable<NonNullable<JetStreamDeadLetter['describe']>>().optional(),
      })
      .optional(),
    maxDeliveries: count.optional(),
    deadlineMs: durationMs.optional(),
    heartbeatMs: durationMs.min(100).max(15_000).optional(),
    logger: z.custom<Logger>((value) => hasMethods(value, ['info', 'warn', 'error']), 'expected a logger').optional(),
  })
  .refine(({ deadLetter, maxDeliveries }) => maxDeliveries === undefined || deadLetter !== undefined, {
    path: ['maxDeliveries'],
    message: 'goes with `deadLetter` only',
  })
