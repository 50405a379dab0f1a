import { headers, nuid, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import type { Connection } from './connection.ts'
import { ownBytes } from './stored-message.ts'
import type { FleetSubjects } from './subjects.ts'

/** What members tell each other without storing it, over core NATS: at most once, and only while there is a connection. */
export interface Channels {
  broadcast(channel: string, data: Uint8Array): void
  listen(channel: string, hear: (data: Uint8Array) => void): () => void
  end(): Promise<void>
}

interface Heard {
  readonly hears: Set<(data: Uint8Array) => void>
  subscription: Subscription | undefined
}

/** Tells one's own broadcasts from those of others. */
const memberHeader = 'Switchgear-Member'

/** `onThrow` is told what a listener threw. */
export function channelsOver(
  connection: Connection,
  subjects: FleetSubjects,
  onThrow: (error: unknown) => void,
): Channels {
  const self = nuid.next()
  const all = new Map<string, Heard>()
  let nc: NatsConnection | undefined
  const release = connection.use({
    onUp(up) {
      nc = up
      for (const [channel, heard] of all) subscribe(channel, heard)
    },
    onDown() {
      nc = undefined
      for (const heard of all.values()) unsubscribe(heard)
    },
  })

  return {
    broadcast(channel, data) {
      if (!isUsable(nc)) return
      const given = headers()
      given.set(memberHeader, self)
      nc.publish(subjects.channel(channel), data, { headers: given })
    },
    listen(channel, hear) {
      const heard = all.get(channel) ?? { hears: new Set(), subscription: undefined }
      // A function of its own, so that the same listener may be given twice.
      const own = (data: Uint8Array): void => hear(data)
      heard.hears.add(own)
      if (!all.has(channel)) {
        all.set(channel, heard)
        subscribe(channel, heard)
      }
      return () => {
        heard.hears.delete(own)
        if (heard.hears.size > 0 || all.get(channel) !== heard) return
        all.delete(channel)
        unsubscribe(heard)
      }
    },
    end() {
      for (const heard of all.values()) unsubscribe(heard)
      all.clear()
      nc = undefined
      return release()
    },
  }

  function subscribe(channel: string, heard: Heard): void {
    if (!isUsable(nc)) return
    unsubscribe(heard)
    heard.subscription = nc.subscribe(subjects.channel(channel), { callback })

    function callback(error: Error | null, msg: Msg): void {
      if (error !== null || msg.headers?.get(memberHeader) === self) return
      const data = ownBytes(msg)
      for (const hear of heard.hears) {
        try {
          hear(data)
        } catch (thrown) {
          onThrow(thrown)
        }
      }
    }
  }

  function unsubscribe(heard: Heard): void {
    heard.subscription?.unsubscribe()
    heard.subscription = undefined
  }
}

/** The client throws at whoever uses a connection that is closed, or that its owner is draining. */
function isUsable(nc: NatsConnection | undefined): nc is NatsConnection {
  return nc !== undefined && !nc.isClosed() && !nc.isDraining()
}
