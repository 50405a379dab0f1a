import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

/** What can be asked of the server, and of which stream, while there is a connection. */
export interface Session {
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** The stream that is the log. */
  readonly stream: string
  readonly inboxPrefix: string | undefined
  readonly heartbeatMs: number
  /** Who reads, for people who look at the server's list of consumers. */
  readonly instance: string
  /** For each request, in ms. */
  readonly deadlineMs: number
}

export type SessionOptions = Omit<Session, 'nc' | 'js' | 'jsm'>

export async function openSession(nc: NatsConnection, options: SessionOptions): Promise<Session> {
  const timeout = options.deadlineMs
  const jsm = await jetstreamManager(nc, { checkAPI: false, timeout })
  return { nc, js: jetstream(nc, { timeout }), jsm, ...options }
}
