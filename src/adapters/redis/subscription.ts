import { Cluster, type Redis } from 'ioredis'
import { unheeded } from '../../kernel/unheeded.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Random } from '../../ports/random.ts'
import { clientOf, type RedisClient, type RedisPlace } from './connection.ts'

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
const reconnectMs = { first: 50, max: 2_000 }

/**
 * In a cluster it listens to one node, since each gets what is published on any; and to the next when that one is gone.
 * A client for clusters changes the node without a word, and what was published meanwhile would be missed.
 */
export function redisSubscription(
  place: RedisPlace,
  parts: { readonly clock: Clock; readonly random: Random },
  at: string,
): Subscription {
  const { clock, random } = parts
  const closes = new Set<() => void>()
  return {
    follow(channel, subscriber) {
      let [attempt, failures, isOver] = [Math.floor(random.next() * 1_000), 0, false]
      let leave = (): void => {}
      const onLink = (isUp: boolean): void => {
        if (isUp) failures = 0
        subscriber.onLink(isUp)
      }
      const connect = (): void => {
        if (isOver) return
        leave = listen(newClient(place, attempt, at), channel, { clock, ...subscriber, onLink, onEnd })
      }
      const onEnd = (): void => {
        const delayMs = Math.min(reconnectMs.max, reconnectMs.first * 2 ** failures) * (0.5 + random.next() / 2)
        failures += 1
        attempt += 1
        clock.setTimeout(connect, delayMs)
      }
      connect()
      const stop = (): void => {
        closes.delete(stop)
        isOver = true
        leave()
      }
      closes.add(stop)
      return stop
    },
    close() {
      for (const close of closes) close()
    },
  }
}

interface Listening extends Subscriber {
  readonly clock: Clock
  onEnd(): void
}

/** Listens over a client until its connection has ended. Returns how to stop. */
function listen(client: RedisClient | undefined, channel: string, { clock, ...follower }: Listening): () => void {
  if (client === undefined) {
    follower.onEnd()
    return () => {}
  }
  let [isUp, isOver] = [false, false]
  // What nobody hears, the client prints.
  client.on('error', () => {})
  client.on('message', (_channel: string, text: string) => {
    if (!isOver) follower.onMessage(text)
  })
  client.on('ready', () => void subscribe())
  const subscribe = async (): Promise<void> => {
    try {
      await client.subscribe(channel)
    } catch {
      return client.disconnect()
    }
    if (isOver) return
    isUp = true
    follower.onLink(true)
  }
  const stopPinging = pinging(client, clock, () => isUp)
  const over = (): void => {
    isOver = true
    stopPinging()
  }
  client.on('end', () => {
    if (isOver) return
    over()
    if (isUp) follower.onLink(false)
    follower.onEnd()
  })
  client.connect().catch(() => {})
  return () => {
    over()
    client.disconnect()
  }
}

/** `undefined` while a client of the caller's knows no node yet. */
function newClient({ url, connection }: RedisPlace, attempt: number, at: string): RedisClient | undefined {
  if (connection instanceof Cluster) return alike(one(connection.nodes(), attempt))
  if (connection !== undefined) return alike(connection)
  const node = typeof url === 'string' ? url : one(url ?? [], attempt)
  return node === undefined ? undefined : clientOf(node, at)
}

function one<T>(nodes: readonly T[], attempt: number): T | undefined {
  return nodes[attempt % nodes.length]
}

/** A client like one of the caller's, which does not keep the process. */
function alike(given: Redis | undefined): Redis | undefined {
  const client = given?.duplicate({
    lazyConnect: true,
    autoResubscribe: false,
    retryStrategy: () => null,
    connectTimeout: pongWithinMs,
    socketTimeout: pongWithinMs,
    disconnectTimeout: 100,
  })
  client?.on('connect', () => client.stream.unref())
  return client
}

/** A connection that was cut without a word is not noticed by whoever only listens. */
function pinging(client: RedisClient, clock: Clock, isUp: () => boolean): () => void {
  let isOver = false
  let timer = clock.setTimeout(ping, pingEveryMs)
  function ping(): void {
    if (!isUp()) return again()
    timer = clock.setTimeout(() => client.disconnect(), pongWithinMs)
    unheeded(async () => {
      await client.ping()
      again()
    })
  }
  function again(): void {
    clock.clearTimeout(timer)
    if (!isOver) timer = clock.setTimeout(ping, pingEveryMs)
  }
  return () => {
    isOver = true
    clock.clearTimeout(timer)
  }
}
