import {
  jetstream,
  jetstreamManager,
  type JetStreamClient,
  type JetStreamManager,
  type StoredMsg,
} from '@nats-io/jetstream'
import { connect, nanos, type NatsConnection } from '@nats-io/transport-node'

/** A connection that speaks JetStream and knows nothing of fleets. */
export interface Raw {
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
}

export async function rawConnection(servers: string): Promise<Raw> {
  const nc = await connect({ servers })
  return { nc, js: jetstream(nc), jsm: await jetstreamManager(nc) }
}

/** A stream with what costs something in the settings of a fleet's. */
export async function addRawStream({ jsm }: Raw, name: string): Promise<(topic: string) => string> {
  await jsm.streams.add({
    name,
    subjects: [`bench.${name}.log.*`],
    max_msgs_per_subject: 64,
    duplicate_window: nanos(120_000),
    allow_direct: true,
    republish: { src: `bench.${name}.log.*`, dest: `bench.${name}.transitions.{{wildcard(1)}}` },
  })
  return (topic) => `bench.${name}.log.${topic}`
}

/** The last message of a fleet's breaker, as it is stored. */
export async function lastStored({ jsm }: Raw, fleet: string, breaker: string): Promise<StoredMsg> {
  const message = await jsm.streams.getMessage(`SWITCHGEAR_${fleet}`, {
    last_by_subj: `switchgear.v1.${fleet}.log.${breaker}`,
  })
  if (message === null) throw new Error(`nothing is stored of breaker "${breaker}"`)
  return message
}
