import { unheeded } from '../../kernel/unheeded.ts'
import { type RedisClient, clientOf, keptOpen, type RedisPlace } from './connection.ts'
import { Cluster } from 'ioredis'
import type { Clock } from '../../ports/clock.ts'
import type { Random } from '../../ports/random.ts'

export interface Subscriber {
  onMessage(text: string): void
  /** While it is down, messages are lost. */
  onLink(isUp: boolean): void
}

/** A channel of Redis that is heard for as long as somebody follows it, over connections of its own. */
export interface Subscription {
  /** Returns how to stop. */
  follow(channel: string, subscriber: Subscriber): () => void
  close(): void
}

/** A connection that says nothing for so long is asked whether it is there, in ms. */
const pingEveryMs = 2_000
/** And ended when it does not say so, in ms. */
const pongWithinMs = 1_000

export function redisSubscription(
  place: RedisPlace,
  parts: { readonly clock: Clock; readonly random: Random },
  at: string,
): Subscription {
  const closes = new Set<() => void>()
  return {
    follow(channel, { onMessage, onLink }) {
      const { client, close } = keptOpen(newClient(place, at), parts)
      let isUp = false
      const link = (next: boolean): void => {
        if (isUp === next) return
        isUp = next
        onLink(next)
      }
      client.on(
        'ready',
        () =>
          void client.subscribe(channel).then(
            () => link(true),
            () => client.disconnect(),
          ),
      )
      client.on('close', () => link(false))
      client.on('message', (_channel: string, text: string) => onMessage(text))
      const stopPinging = pinging(client, parts.clock, () => isUp)
      const stop = (): void => {
        closes.delete(stop)
        stopPinging()
        close()
      }
      closes.add(stop)
      return stop
    },
    close() {
      for (const close of closes) close()
    },
  }
}

function newClient({ url, connection }: RedisPlace, at: string): RedisClient {
  if (connection === undefined) return clientOf(url ?? [], at)
  return connection instanceof Cluster ? connection.duplicate() : connection.duplicate({ lazyConnect: true })
}

/** A connection that was cut without a word is not noticed by whoever only listens. */
function pinging(client: RedisClient, clock: Clock, isUp: () => boolean): () => void {
  let timer = clock.setTimeout(ping, pingEveryMs)
  function ping(): void {
    timer = clock.setTimeout(isUp() ? expectPong : ping, isUp() ? pongWithinMs : pingEveryMs)
    if (!isUp()) return
    unheeded(() =>
      client.ping().then(() => {
        clock.clearTimeout(timer)
        timer = clock.setTimeout(ping, pingEveryMs)
      }),
    )
  }
  function expectPong(): void {
    client.disconnect(true)
    timer = clock.setTimeout(ping, pingEveryMs)
  }
  return () => clock.clearTimeout(timer)
}
