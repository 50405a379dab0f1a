/** The door `switchgear/nats`: the log of a fleet in NATS JetStream, and its messages as a source of pipelines. */
export { natsLog, natsLogDefaults, type NatsLogOptions } from './adapters/nats/nats-log.ts'
export type { NatsTls } from './adapters/nats/authentication.ts'
export {
  fromJetStream,
  fromJetStreamDefaults,
  type FromJetStreamOptions,
  type JetStreamDeadLetter,
} from './factories/from-jetstream.ts'
export type { JetStreamItem, JetStreamMessage } from './adapters/nats/jetstream-source.ts'
export { encodeToken } from './adapters/nats/subjects.ts'
