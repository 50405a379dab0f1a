import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type Consumer,
} from '@nats-io/jetstream'
import { nanos, type NatsConnection } from '@nats-io/transport-node'
import { encodeToken } from 'switchgear/nats'

/** The subject on which an organization's alerts are published. `docs/asyncapi.yaml` describes it. */
export function alertSubject(fleet: string, organization: string): string {
  return `${prefixOf(fleet)}${encodeToken(organization)}`
}

/** The token that stands for the organization in such a subject. */
export function alertTokenOf(fleet: string, subject: string): string {
  return subject.slice(prefixOf(fleet).length)
}

const streamOf = (fleet: string): string => `SWITCHGEAR_ALERTS_${fleet}`
const prefixOf = (fleet: string): string => `switchgear.v1.${fleet}.alerts.`

/** All instances share one consumer, and so its messages. */
const consumerName = 'intake'
/**
 * What the stream holds at most; past it, it takes nothing more, and tells the publisher. The server sets the bytes aside
 * and refuses a stream that it has no room for.
 */
const messagesMax = 1_000_000
const bytesMax = 256 * 1_048_576
/** So many messages are of one organization at most: one that floods is refused, and leaves room for others. */
const organizationMax = messagesMax / 10
/** A message is one alert, which has at most some 100,000 characters. */
const messageBytesMax = 1_048_576

/**
 * Finds the stream and its consumer, or makes them where `manage` says so; several instances may try at once.
 * @throws Error that says what is missing; errors of the client when the server cannot be asked.
 */
export async function openAlerts(nc: NatsConnection, fleet: string, manage: boolean): Promise<Consumer> {
  const jsm = await jetstreamManager(nc, { checkAPI: false })
  const stream = streamOf(fleet)
  if (manage) {
    if (!(await isThere(() => jsm.streams.info(stream)))) await addStream(jsm, fleet)
    if (!(await isThere(() => jsm.consumers.info(stream, consumerName)))) await addConsumer(jsm, stream)
  }
  if (await isThere(() => jsm.consumers.info(stream, consumerName)))
    return jetstream(nc).consumers.get(stream, consumerName)
  throw new Error(`the stream ${stream}, or its consumer "${consumerName}", is missing: make it, as docs/nats.md says`)
}

async function addStream(jsm: JetStreamManager, fleet: string): Promise<void> {
  await jsm.streams.add({
    name: streamOf(fleet),
    subjects: [`${prefixOf(fleet)}*`],
    retention: 'workqueue',
    storage: 'file',
    discard: 'new',
    max_msgs: messagesMax,
    max_bytes: bytesMax,
    max_msgs_per_subject: organizationMax,
    discard_new_per_subject: true,
    max_msg_size: messageBytesMax,
    duplicate_window: nanos(120_000),
  })
}

async function addConsumer(jsm: JetStreamManager, stream: string): Promise<void> {
  await jsm.consumers.add(stream, {
    durable_name: consumerName,
    ack_policy: 'explicit',
    ack_wait: nanos(30_000),
    // What waits for its organization's limit counts: all may wait so, and nobody else waits for that.
    max_ack_pending: messagesMax,
  })
}

async function isThere(look: () => Promise<unknown>): Promise<boolean> {
  try {
    await look()
    return true
  } catch (error) {
    const missing: readonly number[] = [JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound]
    if (error instanceof JetStreamApiError && missing.includes(error.code)) return false
    throw error
  }
}
