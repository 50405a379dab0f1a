import { JetStreamApiCodes } from '@nats-io/jetstream'
import { createInbox, nanos, type Msg, type Subscription } from '@nats-io/transport-node'
import { UnavailableError } from '../../kernel/errors.ts'
import { systemClock } from '../../ports/clock.ts'
import { messageOf } from './connection.ts'
import type { ConsumerPlace } from './jetstream-consumer.ts'
import { silenceWatch } from './jetstream-silence.ts'
import { pauseBeforeRetry } from './pause.ts'
import { readDelivery, type Delivery } from './stored-message.ts'
import { isApiError } from './streams.ts'

export interface PullSettings {
  readonly place: ConsumerPlace
  /** How often the server shows that it is there while it has nothing to deliver, in ms. */
  readonly heartbeatMs: number
  /** How long what is on its way at the end is waited for, in ms. */
  readonly deadlineMs: number
}

export interface PullReader {
  /** One of those that were asked for. */
  onMessage(msg: Msg, delivery: Delivery): void
  /** One that was on its way when it was not wanted any more. */
  onLate(msg: Msg, delivery: Delivery): void
  /** Nothing comes at the moment; it goes on by itself. */
  onTrouble(why: string): void
  /** The consumer is gone, or the connection. At most once, and not after `close`. */
  onEnd(error: Error): void
}

export interface Pull {
  /** So many more may come. Nothing comes from within. */
  request(count: number): void
  close(): void
}

/**
 * Asks a pull consumer for messages, never for more than was wanted: one request at a time, the next one when it is
 * fulfilled, so that what was wanted meanwhile goes into one. A request that the server has forgotten, since it was
 * restarted or the link is dead, is noticed by the silence, and made again: no listener on the connection is needed.
 */
export function openPull(settings: PullSettings, reader: PullReader): Pull {
  const { place, heartbeatMs, deadlineMs } = settings
  const closed = new AbortController()
  /** Wanted, and not asked for at the moment. */
  let wanted = 0
  /** Asked for, and still to come. */
  let awaited = 0
  let requests = 0
  let inbox: Inbox | undefined
  let mending = false
  let failures = 0
  const watch = silenceWatch(heartbeatMs, trouble)

  return {
    request(count) {
      wanted += count
      ask()
    },
    close() {
      closed.abort()
      watch.stop()
      leave()
    },
  }

  function ask(): void {
    if (closed.signal.aborted || mending || awaited > 0 || wanted === 0) return
    const batch = Math.min(wanted, place.batchMax)
    const { expiresMs } = place
    const request = {
      batch,
      expires: nanos(expiresMs),
      idle_heartbeat: nanos(Math.min(heartbeatMs, expiresMs / 2)),
    }
    try {
      inbox ??= openInbox()
      const reply = `${inbox.prefix}.${++requests}`
      place.nc.publish(`${place.prefix}.CONSUMER.MSG.NEXT.${place.stream}.${place.name}`, JSON.stringify(request), {
        reply,
      })
    } catch (error) {
      return end(messageOf(error), error)
    }
    wanted -= batch
    awaited = batch
    watch.start()
  }

  function openInbox(): Inbox {
    const prefix = createInbox(place.inboxPrefix)
    const opened: Inbox = {
      prefix,
      subscription: place.nc.subscribe(`${prefix}.*`, {
        callback: (error, msg) => guarded(() => receive(opened, error, msg)),
      }),
    }
    return opened
  }

  function receive(from: Inbox, error: Error | null, msg: Msg): void {
    const delivery = error === null ? readDelivery(msg.reply) : undefined
    if (from !== inbox) return void (delivery !== undefined && reader.onLate(msg, delivery))
    if (error !== null) return trouble(error.message)
    watch.heard()
    if (delivery === undefined) return status(msg)
    failures = 0
    awaited -= 1
    if (awaited === 0) watch.stop()
    reader.onMessage(msg, delivery)
    ask()
  }

  function status({ subject, headers }: Msg): void {
    // Of a request before.
    if (subject !== `${inbox?.prefix}.${requests}`) return
    const { code = 0, description = '' } = headers ?? {}
    // A heartbeat.
    if (code === 100) return void (failures = 0)
    // It has expired. A server that says so without waiting is not asked again at once.
    if (code === 408 && watch.sinceMs() > heartbeatMs / 2) {
      giveBack()
      return ask()
    }
    trouble(`the server ended a request: ${code} ${description}`)
  }

  function giveBack(): void {
    wanted += awaited
    awaited = 0
    watch.stop()
  }

  function trouble(why: string): void {
    giveBack()
    leave()
    if (closed.signal.aborted || mending) return
    reader.onTrouble(why)
    void mend()
  }

  /** Waits until the consumer can be asked again. */
  async function mend(): Promise<void> {
    mending = true
    for (;;) {
      await pauseBeforeRetry(++failures, closed.signal)
      if (closed.signal.aborted) return
      if (place.nc.isClosed()) return end('the connection is closed')
      const found = await place.look().then(
        () => true,
        (error: unknown) => {
          if (!isApiError(error, JetStreamApiCodes.ConsumerNotFound, JetStreamApiCodes.StreamNotFound)) return false
          end(`there is no consumer "${place.name}" of the stream "${place.stream}" any more`, error)
          return false
        },
      )
      if (!found) continue
      mending = false
      return ask()
    }
  }

  function end(why: string, cause?: unknown): void {
    if (closed.signal.aborted) return
    closed.abort()
    watch.stop()
    leave()
    reader.onEnd(new UnavailableError('NATS', why, cause === undefined ? {} : { cause }))
  }

  /** The server is told at once, and what it has sent by then still arrives, as late. */
  function leave(): void {
    const { subscription } = inbox ?? {}
    inbox = undefined
    if (subscription === undefined || subscription.isClosed() || place.nc.isClosed()) return
    const timer = systemClock.setTimeout(() => subscription.unsubscribe(), deadlineMs)
    void subscription
      .drain()
      .catch(() => {})
      .finally(() => systemClock.clearTimeout(timer))
  }

  /** An exception here would reach the client's parser, and end its reading. */
  function guarded(run: () => void): void {
    try {
      run()
    } catch (error) {
      end(messageOf(error), error)
    }
  }
}

interface Inbox {
  readonly prefix: string
  readonly subscription: Subscription
}
