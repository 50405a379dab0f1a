/** The door `switchgear/nats`: the log of a fleet in NATS JetStream. */
export { natsLog, natsLogDefaults, type NatsLogOptions } from './adapters/nats/nats-log.ts'
export type { NatsTls } from './adapters/nats/authentication.ts'
