import type { StreamInfo } from '@nats-io/jetstream'
import { TimeoutError, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { systemClock, within } from '../../ports/clock.ts'
import type { Link, StoredMessage } from '../../ports/event-log.ts'
import { begin, type Beginning } from './beginning.ts'
import { messageOf, type Connection } from './connection.ts'
import { forgetConsumer, readToEnd } from './consumers.ts'
import { follow, type Following } from './follow.ts'
import { pauseBeforeRetry } from './pause.ts'
import type { Place } from './place.ts'
import { openSession, type Session, type SessionOptions } from './session.ts'
import { idOf, storedMessage, type Delivery } from './stored-message.ts'
import type { FleetSubjects } from './subjects.ts'

export interface LinkOptions extends SessionOptions {
  readonly connection: Connection
  readonly subjects: FleetSubjects
  /** Finds, makes and checks the stream. */
  findStream(session: Session): Promise<StreamInfo>
}

export interface LinkHandler {
  onLink(link: Link): void
  onPreview(message: StoredMessage): void
  onMessage(message: StoredMessage): void
}

/** A member's link to the log, kept up for ever. */
export interface KeptLink {
  /** There while there is a connection. */
  readonly session: Session | undefined
  readonly linked: boolean
  /** Of the last message that was read; 0 for none. */
  readonly seq: number
  /** Something does not fit what was read: links again, and looks whether it is the same log. */
  distrust(why: string): void
  /** Ends it for good: no callback comes afterwards. Resolves within the deadline. */
  end(): Promise<void>
}

/** Where more messages than this are to be replayed, the last one of each topic is shown first. */
const previewAbove = 256
/** A link that lasted this long counts as a success, in ms. */
const stableMs = 5_000
/** How long the server may take to hear that we leave, in ms. */
const farewellMs = 1_000

export function keepLinked(options: LinkOptions, handler: LinkHandler): KeptLink {
  const { connection, subjects, deadlineMs } = options
  let link: Link = { state: 'down', why: 'not joined yet' }
  let session: Session | undefined
  let place: Place | undefined
  let following: Following | undefined
  let serving = { stop: new AbortController(), done: Promise.resolve() }
  let ended = false

  const release = connection.use({
    onUp(nc) {
      serving.stop.abort()
      const stop = new AbortController()
      serving = { stop, done: serve(nc, stop.signal) }
    },
    onDown(why) {
      serving.stop.abort()
      session = undefined
      change({ state: 'down', why })
    },
  })

  return {
    get session() {
      return session
    },
    get linked() {
      return link.state === 'linked'
    },
    get seq() {
      return place?.seq ?? 0
    },
    distrust: (why) => following?.end(why),
    async end() {
      const last = link.state === 'down' ? undefined : session
      ended = true
      session = undefined
      change({ state: 'down', why: 'left' })
      serving.stop.abort()
      if (last !== undefined) await within(systemClock, Math.min(farewellMs, deadlineMs), farewell(last, serving.done))
      await release()
    },
  }

  /** Links over one connection, again and again, until that is gone. Never rejects. */
  async function serve(nc: NatsConnection, signal: AbortSignal): Promise<void> {
    for (let failures = 1; !signal.aborted; failures++) {
      const since = systemClock.monotonic()
      const failure = await linkOnce(nc, signal).catch((error: unknown) => error)
      if (signal.aborted) return
      const why = messageOf(failure)
      change({ state: 'down', why })
      if (failure instanceof TimeoutError) connection.giveUp(nc, why)
      if (systemClock.monotonic() - since > stableMs) failures = 1
      await pauseBeforeRetry(failures, signal)
    }
  }

  /** Catches up and follows; gives why that ended. */
  async function linkOnce(nc: NatsConnection, signal: AbortSignal): Promise<string> {
    const opened = await openSession(nc, options)
    signal.throwIfAborted()
    session = opened
    const beginning = await begin(opened, place, () => options.findStream(opened))
    const { consumer } = beginning
    try {
      signal.throwIfAborted()
      const estimate = logTime(Date.parse(consumer.created))
      enter(beginning.place, estimate())
      if (consumer.num_pending > previewAbove) await preview(opened, beginning.place, signal)
      signal.throwIfAborted()
      return await followFrom(opened, beginning, estimate, signal)
    } finally {
      forgetConsumer(opened, consumer.name)
    }
  }

  function enter(at: Place, now: number): void {
    const newEpoch = place !== undefined && at !== place
    place = at
    change({ state: 'catchingUp', at: now, newEpoch })
  }

  function preview(opened: Session, { seq }: Place, signal: AbortSignal): Promise<void> {
    const which = { deliver_policy: 'last_per_subject', filter_subject: subjects.log } as const
    const show = (msg: Msg, delivery: Delivery): void => {
      const message = storedMessage(subjects, msg, delivery)
      if (message !== undefined && message.seq > seq && !ended) handler.onPreview(message)
    }
    return readToEnd(opened, which, show, signal)
  }

  async function followFrom(
    opened: Session,
    beginning: Beginning,
    estimate: LogTime,
    signal: AbortSignal,
  ): Promise<string> {
    const { created } = beginning.place
    const begun = follow(opened, beginning, {
      onMessage(msg, delivery) {
        place = placeOf(created, msg, delivery)
        estimate(delivery.at)
        const message = storedMessage(subjects, msg, delivery)
        if (message !== undefined && !ended) handler.onMessage(message)
      },
      onCaughtUp: () => change({ state: 'linked', at: estimate() }),
    })
    following = begun
    const onAbort = (): void => begun.end('the connection is gone')
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await begun.ended
    } finally {
      following = undefined
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Tells the follower, but not the same thing twice. */
  function change(next: Link): void {
    if (link.state === 'down' && next.state === 'down' && link.why === next.why) return
    link = next
    if (!ended) handler.onLink(next)
  }
}

/** The id is read when it is asked for, which is at the next link. */
function placeOf(created: string, msg: Msg, { seq }: Delivery): Place {
  return {
    created,
    seq,
    get id() {
      return idOf(msg.headers)
    },
  }
}

/** The log's time now, in ms, from the times that it gave; it can only lag. */
type LogTime = (seen?: number) => number

function logTime(first: number): LogTime {
  let offset = first - systemClock.monotonic()
  return (seen = 0) => {
    offset = Math.max(offset, seen - systemClock.monotonic())
    return Math.floor(systemClock.monotonic() + offset)
  }
}

/** The server knows of all that was sent to it. */
async function farewell({ nc }: Session, done: Promise<void>): Promise<void> {
  await done
  await nc.flush().catch(() => {})
}
