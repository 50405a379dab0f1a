import type { NatsConnection } from '@nats-io/transport-node'
import { type Connection, type ConnectionUser, messageOf } from './connection.ts'

/** A connection of the caller's: it is used while it is up, never closed, and reconnects as the caller has told it to. */
export function givenConnection(nc: NatsConnection): Connection {
  const users = new Set<ConnectionUser>()
  let watching = false
  /** Why it is down; `undefined` while it is up, as far as is known. */
  let down: string | undefined = nc.isClosed() ? 'the connection that was given is closed' : undefined

  return {
    use(user) {
      users.add(user)
      if (!watching && down === undefined) void watch()
      queueMicrotask(() => {
        if (users.has(user)) tell(user)
      })
      return async () => {
        users.delete(user)
      }
    },
    giveUp: () => {},
  }

  /** Goes on until the connection is closed, since its iterator would keep what nobody reads. */
  async function watch(): Promise<void> {
    watching = true
    for await (const { type } of nc.status()) {
      if (type === 'disconnect') change('the connection that was given is interrupted')
      if (type === 'reconnect') change(undefined)
    }
    const error = await nc.closed()
    change(error instanceof Error ? messageOf(error) : 'the connection that was given is closed')
  }

  function change(why: string | undefined): void {
    down = why
    for (const user of users) tell(user)
  }

  function tell(user: ConnectionUser): void {
    if (down === undefined) user.onUp(nc)
    else user.onDown(down)
  }
}
