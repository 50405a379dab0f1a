import { connect, TimeoutError, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node'
import { systemClock, within } from '../../ports/clock.ts'
import { greets } from './greeting.ts'
import { pauseBeforeRetry } from './pause.ts'
import { addressText, type ServerAddress } from './servers.ts'

/** Is told when there is a connection and when there is none; never from within a call to `use`. */
export interface ConnectionUser {
  onUp(nc: NatsConnection): void
  onDown(why: string): void
}

/** A connection that the members of a log share. */
export interface Connection {
  /** Gives how to let go of it: within the deadline, closing what nobody uses any more, if it is ours. */
  use(user: ConnectionUser): () => Promise<void>
  /** Nobody answers over this one: it is closed and another one opened, if that is ours to do. */
  giveUp(nc: NatsConnection, why: string): void
}

export interface OwnConnectionOptions {
  readonly servers: readonly ServerAddress[]
  /** Asked before each attempt, so that credentials which were renewed are used. */
  readonly authentication: () => Promise<ConnectionOptions>
  readonly deadlineMs: number
}

/** The client pings this often, in ms; a link that nobody listens on would not notice otherwise. */
const pingIntervalMs = 10_000
/** A connection that lasted this long counts as a success, in ms. */
const stableMs = 5_000

/**
 * A connection of ours: opened for its first user, closed after its last, opened again for ever in between. The client's
 * own reconnecting is off: it would send what was published meanwhile, late, and its timers keep the process alive.
 */
export function ownConnection(options: OwnConnectionOptions): Connection {
  const users = new Set<ConnectionUser>()
  let keeper: Keeper | undefined

  return {
    use(user) {
      users.add(user)
      if (keeper === undefined) keeper = keepConnected(options, users)
      else keeper.introduce(user)
      return async () => {
        if (!users.delete(user) || users.size > 0) return
        const last = keeper
        keeper = undefined
        await last?.end()
      }
    },
    giveUp: (nc, why) => keeper?.giveUp(nc, why),
  }
}

interface Keeper {
  /** Tells a user who came later what there is. */
  introduce(user: ConnectionUser): void
  giveUp(nc: NatsConnection, why: string): void
  end(): Promise<void>
}

type Dial = (silent: boolean) => Promise<NatsConnection>

function keepConnected(options: OwnConnectionOptions, users: ReadonlySet<ConnectionUser>): Keeper {
  const ended = new AbortController()
  const dial = dialler(options)
  let current: NatsConnection | undefined
  /** Why the current connection was given up. */
  let givenUp: string | undefined
  let why = 'connecting'
  void run()

  return {
    introduce(user) {
      queueMicrotask(() => {
        if (!users.has(user)) return
        if (current === undefined) user.onDown(why)
        else user.onUp(current)
      })
    },
    giveUp(nc, reason) {
      if (nc !== current) return
      givenUp = reason
      void close(nc, options.deadlineMs)
    },
    async end() {
      ended.abort()
      if (current !== undefined) await close(current, options.deadlineMs)
    },
  }

  async function run(): Promise<void> {
    for (let failures = 1; !ended.signal.aborted; failures++) {
      const since = systemClock.monotonic()
      why = await connectOnce()
      if (ended.signal.aborted) return
      for (const user of users) user.onDown(why)
      if (systemClock.monotonic() - since > stableMs) failures = 1
      await pauseBeforeRetry(failures, ended.signal)
    }
  }

  /** One connection, from its beginning to its end; gives why it ended. */
  async function connectOnce(): Promise<string> {
    try {
      const nc = await dial(givenUp !== undefined)
      givenUp = undefined
      if (ended.signal.aborted) await close(nc, options.deadlineMs)
      else {
        current = nc
        for (const user of users) user.onUp(nc)
      }
      const error = await nc.closed()
      return givenUp ?? (error === undefined ? 'the connection was closed' : messageOf(error))
    } catch (error) {
      return messageOf(error)
    } finally {
      current = undefined
    }
  }
}

/**
 * Gives how to connect. The client leaves the socket of an attempt that timed out open for good. So after an attempt
 * that did, or a connection that was `silent`, only servers that have greeted are tried: a frozen one costs one socket
 * at most, not one for each attempt.
 */
function dialler({ servers, authentication, deadlineMs }: OwnConnectionOptions): Dial {
  let timedOut = false
  return async (silent) => {
    const asked = silent || timedOut ? await greeting(servers, deadlineMs) : servers
    if (asked.length === 0) throw new Error(`no server said anything within ${deadlineMs} ms`)
    try {
      const nc = await connect({
        ...(await authentication()),
        servers: asked.map(addressText),
        name: 'switchgear',
        reconnect: false,
        timeout: deadlineMs,
        pingInterval: pingIntervalMs,
        noAsyncTraces: true,
      })
      timedOut = false
      return nc
    } catch (error) {
      timedOut ||= error instanceof TimeoutError
      throw error
    }
  }
}

async function greeting(servers: readonly ServerAddress[], deadlineMs: number): Promise<readonly ServerAddress[]> {
  const answers = await Promise.all(servers.map((server) => greets(server, deadlineMs)))
  return servers.filter((_, i) => answers[i])
}

async function close(nc: NatsConnection, deadlineMs: number): Promise<void> {
  await within(
    systemClock,
    deadlineMs,
    nc.close().catch(() => {}),
  )
}

export function messageOf(error: unknown): string {
  if (error instanceof TimeoutError) return 'no answer in time'
  return error instanceof Error ? error.message || error.name : String(error)
}
