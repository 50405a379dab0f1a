import type { NatsConnection } from '@nats-io/transport-node'
import { systemClock, within } from '../../ports/clock.ts'
import { messageOf, type Connection } from './connection.ts'
import { openSession, type Session, type SessionOptions } from './session.ts'
import { idOf } from './stored-message.ts'
import type { TellOnce } from './streams.ts'
import type { FleetSubjects } from './subjects.ts'

export interface AuditOptions extends SessionOptions {
  readonly connection: Connection
  readonly subjects: FleetSubjects
  /** Finds, makes and checks the stream of the audit. */
  findStream(session: Session): Promise<unknown>
  readonly tell: TellOnce
}

/** Copies accepted messages from the log into the audit. */
export interface AuditTrail {
  /** Never throws and keeps nobody waiting. */
  copy(seq: number): void
  /** Gives what is asked for a moment to be done. */
  end(): Promise<void>
}

/** So many copies may wait; those beyond are left to whoever appends next. */
const waitingMax = 256
/** How long those who leave wait for the last copies, in ms. */
const farewellMs = 1_000

/**
 * One copy after the other: the same bytes with their id and nothing else, since streams that source from the log would
 * pass over messages with expectations.
 */
export function auditTrail(options: AuditOptions): AuditTrail {
  const { connection, subjects, tell, deadlineMs } = options
  const waiting: number[] = []
  let nc: NatsConnection | undefined
  let opened: { readonly nc: NatsConnection; readonly session: Session } | undefined
  let working: Promise<void> | undefined
  const release = connection.use({
    onUp(up) {
      nc = up
    },
    onDown() {
      nc = undefined
    },
  })

  return {
    copy(seq) {
      if (waiting.length >= waitingMax) return
      waiting.push(seq)
      working ??= work()
    },
    async end() {
      await within(systemClock, Math.min(farewellMs, deadlineMs), working ?? Promise.resolve())
      nc = undefined
      await release()
    },
  }

  async function work(): Promise<void> {
    for (let seq = waiting.shift(); seq !== undefined; seq = waiting.shift()) {
      try {
        // Without a connection it is left to whoever appends next and asks for it again.
        if (nc !== undefined) await copyOver(nc, seq)
      } catch (error) {
        tell('warn', `the audit does not get what was accepted: ${messageOf(error)}`)
      }
    }
    working = undefined
  }

  async function copyOver(over: NatsConnection, seq: number): Promise<void> {
    const { js, jsm, stream } = await sessionOver(over)
    const message = await jsm.streams.getMessage(stream, { seq })
    const topic = message === null ? undefined : subjects.topicOf(message.subject)
    // The log keeps 64 of a topic; what it does not have any more was copied by somebody long ago.
    if (message === null || topic === undefined) return
    await js.publish(subjects.auditOf(topic), message.data, { msgID: idOf(message.header) })
  }

  /** The stream is looked for once over each connection. */
  async function sessionOver(over: NatsConnection): Promise<Session> {
    if (opened?.nc === over) return opened.session
    const session = await openSession(over, options)
    await options.findStream(session)
    opened = { nc: over, session }
    return session
  }
}
