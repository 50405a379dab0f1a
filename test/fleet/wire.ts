import { connect, type Msg } from '@nats-io/transport-node'
import type { StoredMessage } from '../../src/ports/event-log.ts'
import { fleetSubjects } from '../../src/adapters/nats/subjects.ts'

/** What goes over the wire of a fleet, seen by somebody who is no instance. */
export interface Wire {
  /** All that was stored, in order, also what the stream has dropped since. `at` is when it was seen. */
  readonly stored: readonly StoredMessage[]
  /** How often anybody has published into the log, whatever the server made of it. */
  readonly published: number
  end(): Promise<void>
}

/** Resolves when nothing is missed any more. */
export async function watchWire(servers: string | readonly string[], fleet: string): Promise<Wire> {
  const nc = await connect({ servers: [servers].flat() })
  const { log, logOf, topicOf } = fleetSubjects(fleet)
  const stored: StoredMessage[] = []
  let published = 0
  nc.subscribe(log, { callback: () => void published++ })
  nc.subscribe(log.replace('.log.', '.transitions.'), {
    callback(_, { data, headers, subject }: Msg) {
      const header = (name: string): string => headers?.get(name) ?? ''
      stored.push({
        topic: topicOf(logOf('').replace('=', subject.split('.').at(-1) ?? '')) ?? '',
        id: header('Nats-Msg-Id'),
        expected: Number(header('Nats-Expected-Last-Subject-Sequence') || -1),
        seq: Number(header('Nats-Sequence')),
        at: Date.now(),
        data: new Uint8Array(data),
      })
    },
  })
  await nc.flush()
  return {
    stored,
    get published() {
      return published
    },
    end: () => nc.close(),
  }
}
