import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { ConfigError, UnavailableError } from '../../kernel/errors.ts'
import { shown } from '../../kernel/options.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Random } from '../../ports/random.ts'
import { isOfReplica } from './outage.ts'

export type RedisClient = Redis | Cluster

/** Where Redis is: a URL, the URLs of some nodes of a cluster, or a client of the caller's. */
export interface RedisPlace {
  readonly url?: string | readonly string[] | undefined
  /** Used while it is connected, and never closed. */
  readonly connection?: RedisClient | undefined
}

/** A connection that never makes anyone wait for what it cannot send. */
export interface RedisConnection {
  /**
   * The client, when commands can be sent at once; a promise of it while it connects for the first time.
   * @throws UnavailableError while it is down; so does the promise reject
   */
  client(): RedisClient | Promise<RedisClient>
  /** Ends what was opened here, at once. */
  close(): void
}

/** @throws ConfigError unless there is either a URL or a connection */
export function redisConnection(
  place: RedisPlace,
  parts: { clock: Clock; random: Random },
  at: string,
): RedisConnection {
  if ((place.url === undefined) === (place.connection === undefined))
    throw new ConfigError(at, 'expected either url or connection')
  if (place.connection !== undefined) return given(place.connection)
  return opened(place.url ?? [], parts, at)
}

/** What is to connect with its first command connects now: here no command is sent before. */
function given(client: RedisClient): RedisConnection {
  if (client.status === 'wait') client.connect().catch(() => {})
  return connectionOver(client, { beforeUse() {}, close() {} })
}

/** No data for so long while an answer is owed: the server hangs, and whoever waits is told. */
const socketTimeoutMs = 500
const connectTimeoutMs = 1_000
const reconnectMs = { first: 50, max: 2_000 }

const redisOptions = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  protocol: 2,
  disableClientInfo: true,
  socketTimeout: socketTimeoutMs,
  connectTimeout: connectTimeoutMs,
  disconnectTimeout: 100,
  // A master that became a replica keeps its connections: its address may lead to the new one by now.
  reconnectOnError: isOfReplica,
  // Its timer would keep the process; ours does not.
  retryStrategy: () => null,
} satisfies RedisOptions

function opened(url: string | readonly string[], parts: Parts, at: string): RedisConnection {
  const { client, close } = keptOpen(clientOf(url, at), parts)
  return connectionOver(client, { beforeUse: client instanceof Redis ? fewWrites(client) : () => {}, close })
}

interface Parts {
  readonly clock: Clock
  readonly random: Random
}

/** A client that connects, and again whenever its connection has ended, until it is closed. */
function keptOpen<C extends RedisClient>(client: C, { clock, random }: Parts): { client: C; close: () => void } {
  let failures = 0
  let closed = false
  // What nobody hears, the client prints; also what comes after `close`.
  client.on('error', () => {})
  const connect = (): void => {
    if (!closed) client.connect().catch(() => {})
  }
  client.on('ready', () => {
    failures = 0
  })
  client.on('end', () => {
    if (closed) return
    const delayMs = Math.min(reconnectMs.max, reconnectMs.first * 2 ** failures) * (0.5 + random.next() / 2)
    failures += 1
    clock.setTimeout(connect, delayMs)
  })
  connect()
  return {
    client,
    close() {
      closed = true
      client.disconnect()
    },
  }
}

/** A client that is not connected yet. @throws ConfigError */
export function clientOf(url: string | readonly string[], at: string): RedisClient {
  return typeof url === 'string' ? standalone(checkUrl(url, `${at}.url`)) : cluster(url, at)
}

function standalone(url: string): Redis {
  const client = new Redis(url, redisOptions)
  client.on('connect', () => client.stream.unref())
  return client
}

/** Commands that go out in one write. */
const commandsAWrite = 8

/**
 * Commands of one turn go out in few writes to the socket, since each costs as much as making a command does; and not in
 * one, so that Redis works on the first of them while the others are made.
 */
function fewWrites(client: Redis): () => void {
  let held = 0
  return () => {
    const { stream } = client
    if (held === 0) {
      if (client.status !== 'ready') return
      process.nextTick(() => {
        held = 0
        stream.uncork()
      })
    } else if (held % commandsAWrite === 0) stream.uncork()
    if (held % commandsAWrite === 0) stream.cork()
    held += 1
  }
}

function cluster(urls: readonly string[], at: string): Cluster {
  if (urls.length === 0) throw new ConfigError(`${at}.url`, 'expected at least one URL')
  const client = new Cluster(
    urls.map((url) => checkUrl(url, `${at}.url`)),
    {
      lazyConnect: true,
      enableOfflineQueue: false,
      redisOptions,
      slotsRefreshTimeout: connectTimeoutMs,
      clusterRetryStrategy: () => null,
    },
  )
  client.on('+node', (node: Redis) => node.on('connect', () => node.stream.unref()))
  return client
}

function checkUrl(url: unknown, path: string): string {
  const isRedis = typeof url === 'string' && URL.canParse(url) && /^rediss?:$/.test(new URL(url).protocol)
  if (isRedis) return url
  throw new ConfigError(path, `expected redis://… or rediss://… (given: ${shown(url)})`)
}

interface Use {
  beforeUse(): void
  close(): void
}

function connectionOver(client: RedisClient, { beforeUse, close }: Use): RedisConnection {
  let last: string | undefined
  let settled = false
  let settle = (): void => {}
  const first = new Promise<void>((resolve) => {
    settle = () => {
      settled = true
      for (const event of firsts) client.off(event, settle)
      resolve()
    }
  })
  const onError = (error: Error): void => {
    last = error.message
  }
  client.on('error', onError)
  for (const event of firsts) client.on(event, settle)
  if (client.status === 'ready') settle()
  const now = (): RedisClient => {
    if (client.status === 'ready') {
      beforeUse()
      return client
    }
    throw new UnavailableError('Redis', last ?? `the connection is ${client.status}`)
  }
  return {
    client: () => (client.status === 'ready' || settled || client.status === 'end' ? now() : first.then(now)),
    close() {
      settle()
      client.off('error', onError)
      close()
    },
  }
}

/** What ends the wait for the first connection. */
const firsts = ['ready', 'close', 'end'] as const
