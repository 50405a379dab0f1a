import { createInbox, nanos, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { systemClock } from '../../ports/clock.ts'
import { readDelivery, type Delivery } from './stored-message.ts'

export interface PullOptions {
  readonly nc: NatsConnection
  readonly stream: string
  readonly consumer: string
  readonly inboxPrefix?: string | undefined
  /** How often the server shows that it is there while it has nothing to deliver, in ms. */
  readonly heartbeatMs: number
}

export interface PullHandler {
  onMessage(msg: Msg, delivery: Delivery): void
  /** Nothing to deliver at the moment; `lastSeq` is how far the consumer has come in the stream. */
  onIdle(lastSeq: number): void
  /** Nothing more comes, and something may have been missed. At most once, and not after `stop`. */
  onEnd(why: string): void
}

/** So many messages are asked for at once: 512 of 8 KiB are 4 MiB under way at most. */
const batch = 512
/** A request for messages is renewed after this long, in ms. */
const expiresMs = 30_000
/** So many heartbeats may fail to come. */
const missedMax = 2

/**
 * Follows an ephemeral pull consumer, and ends at the first sign that a message was missed: a gap in the numbers of the
 * deliveries, a heartbeat that knows of more of them, or silence for two to three heartbeats. The client's own ordered
 * consumer begins anew by itself instead, where it believes it stopped, also in a stream that is another one by now;
 * that is for the caller to find out first. (`docs/decisions/` has the measurement.)
 */
export function orderedPull(options: PullOptions, handler: PullHandler): { stop(): void } {
  const { nc, stream, consumer, heartbeatMs } = options
  const inbox = createInbox(options.inboxPrefix)
  /** Messages that the server may still send for what was asked. */
  let awaited = 0
  let delivered = 0
  let heard = true
  let missed = 0
  let ended = false

  const subscription = nc.subscribe(inbox, { callback: (error, msg) => guarded(() => receive(error, msg)) })
  let watch = systemClock.setTimeout(onWatch, heartbeatMs)
  let dueAt = systemClock.monotonic() + heartbeatMs
  ask()

  return { stop }

  function receive(error: Error | null, msg: Msg): void {
    if (ended) return
    if (error !== null) return end(error.message)
    heard = true
    const delivery = readDelivery(msg.reply)
    if (delivery === undefined) return status(msg)
    if (delivery.delivered !== delivered + 1) return end('a message was missed')
    delivered = delivery.delivered
    awaited -= 1
    if (awaited < batch / 2) ask()
    handler.onMessage(msg, delivery)
  }

  function status({ headers }: Msg): void {
    const { code = 0, description = '' } = headers ?? {}
    switch (code) {
      case 100: // a heartbeat
        if (Number(headers?.get('Nats-Last-Consumer')) !== delivered) return end('a message was missed')
        return handler.onIdle(Number(headers?.get('Nats-Last-Stream')))
      case 404: // no messages, and
      case 408: // the request has expired
        awaited = Math.max(0, awaited - Number(headers?.get('Nats-Pending-Messages') || batch))
        if (awaited < batch / 2) ask()
        return
      default:
        return end(`the server ended it: ${code} ${description}`)
    }
  }

  function ask(): void {
    const wanted = batch - awaited
    awaited += wanted
    const request = { batch: wanted, expires: nanos(expiresMs), idle_heartbeat: nanos(heartbeatMs) }
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify(request), { reply: inbox })
  }

  function onWatch(): void {
    // When this timer itself comes late, this process was busy, and what the server said is still unread.
    const late = systemClock.monotonic() - dueAt > heartbeatMs
    missed = heard || late ? 0 : missed + 1
    heard = false
    if (missed >= missedMax) return end(`the server was silent for ${(missedMax + 1) * heartbeatMs} ms`)
    dueAt = systemClock.monotonic() + heartbeatMs
    watch = systemClock.setTimeout(onWatch, heartbeatMs)
  }

  /** An exception here would reach the client's parser, and end its reading. */
  function guarded(run: () => void): void {
    try {
      run()
    } catch (error) {
      end(error instanceof Error ? error.message : String(error))
    }
  }

  function end(why: string): void {
    if (ended) return
    stop()
    handler.onEnd(why)
  }

  function stop(): void {
    ended = true
    systemClock.clearTimeout(watch)
    subscription.unsubscribe()
  }
}
