import type { Consumer } from '@nats-io/jetstream'
import { millis, type NatsConnection } from '@nats-io/transport-node'
import { z } from 'zod'
import { ConfigError } from '../../kernel/errors.ts'
import { hasMethods } from '../../kernel/options.ts'

/** What `js.consumers.get(…)` gives. */
export type JetStreamConsumer = Consumer

/** Where a consumer stands, and the rules it was made with. */
export interface ConsumerPlace {
  readonly nc: NatsConnection
  /** First part of the subjects for answers, where the connection has one of its own. */
  readonly inboxPrefix: string | undefined
  /** First part of the subjects of the server's API: `$JS.API`, or another one with a domain. */
  readonly prefix: string
  readonly stream: string
  readonly name: string
  /** The shortest time without a word after which the server delivers a message once more, in ms. */
  readonly ackWaitMs: number
  /** A message is delivered at most so often; `Infinity`: until it is acknowledged. */
  readonly deliveriesMax: number
  /** So many may be asked for at once. */
  readonly batchMax: number
  /** A request for messages may wait so long, in ms. */
  readonly expiresMs: number
  /** Asks the server for the consumer; rejects when it is gone, or when there is no answer in the client's own time. */
  readonly look: () => Promise<unknown>
}

/** So many messages are asked for at once at most: what is under way when a link breaks is delivered once more. */
const batchMax = 256
/** A request for messages is renewed after this long, in ms. */
const expiresMs = 30_000

/**
 * Reads the place from the client's object, which has no public way to its connection. Messages are asked for on that
 * directly: the client's `consume` keeps a buffer of its own, its `fetch` asks for all of it again after a reconnection,
 * both drop what is on its way when they are stopped, and an `ackAck` cannot be repeated.
 * @throws ConfigError for a consumer that wants no explicit acknowledgement, and for anything else.
 */
export function readConsumer(consumer: JetStreamConsumer): ConsumerPlace {
  const read = clientsConsumer.safeParse(consumer)
  if (!read.success)
    throw new ConfigError('consumer', 'expected a pull consumer of @nats-io/jetstream 3: await js.consumers.get(…)')
  const { api, _info: info } = read.data
  const { config } = info
  if (config.ack_policy !== 'explicit')
    throw new ConfigError('consumer', `expected ack_policy explicit (it is ${config.ack_policy})`)
  return {
    nc: api.nc,
    inboxPrefix: api.nc.options.inboxPrefix,
    prefix: api.prefix,
    stream: info.stream_name,
    name: info.name,
    ackWaitMs: millis(Math.min(...(config.backoff.length > 0 ? config.backoff : [config.ack_wait]))),
    deliveriesMax: bounded(config.max_deliver, Infinity),
    batchMax: bounded(config.max_batch, batchMax),
    expiresMs: bounded(config.max_expires && millis(config.max_expires), expiresMs),
    look: () => consumer.info(),
  }
}

type ClientsConnection = NatsConnection & { readonly options: { readonly inboxPrefix?: string } }

const clientsConsumer = z.object({
  api: z.object({
    nc: z.custom<ClientsConnection>((nc) => hasMethods(nc, ['publish', 'subscribe', 'request', 'isClosed'])),
    prefix: z.string(),
  }),
  _info: z.object({
    stream_name: z.string(),
    name: z.string(),
    config: z.object({
      ack_policy: z.string(),
      deliver_subject: z.undefined().optional(),
      ack_wait: z.number().default(30_000_000_000),
      /** Stands in for `ack_wait`, delivery by delivery. */
      backoff: z.array(z.number()).default([]),
      max_deliver: z.number().optional(),
      max_batch: z.number().optional(),
      max_expires: z.number().optional(),
    }),
  }),
})

/** The server says 0 or -1, or nothing, for no bound. */
function bounded(bound: number | undefined, most: number): number {
  return bound === undefined || bound <= 0 ? most : Math.min(bound, most)
}
