import { messageOf } from './connection.ts'
import type { Session } from './session.ts'
import { idOf } from './stored-message.ts'
import type { TellOnce } from './streams.ts'
import type { FleetSubjects } from './subjects.ts'

export interface AuditOptions {
  readonly subjects: FleetSubjects
  readonly session: () => Session | undefined
  /** Finds, makes and checks the stream of the audit. */
  findStream(session: Session): Promise<unknown>
  readonly tell: TellOnce
}

/** So many copies may wait; those beyond are left to whoever appends next. */
const waitingMax = 256

/**
 * Copies accepted messages from the log into the audit, one after the other: the same bytes, with their id and nothing
 * else, since streams that source from the log would pass over messages with expectations. Gives how to ask for a copy;
 * that never throws and keeps nobody waiting.
 */
export function auditTrail({ subjects, session, findStream, tell }: AuditOptions): (seq: number) => void {
  const waiting: number[] = []
  let working = false
  let foundOver: Session | undefined

  return (seq) => {
    if (waiting.length >= waitingMax) return
    waiting.push(seq)
    if (!working) void work()
  }

  async function work(): Promise<void> {
    working = true
    for (let seq = waiting.shift(); seq !== undefined; seq = waiting.shift()) {
      try {
        await copy(seq)
      } catch (error) {
        tell('warn', `the audit does not get what was accepted: ${messageOf(error)}`)
      }
    }
    working = false
  }

  async function copy(seq: number): Promise<void> {
    const current = session()
    // The link went since; whoever appends next will ask for it again.
    if (current === undefined) return
    if (foundOver !== current) await findStream(current)
    foundOver = current
    const message = await current.jsm.streams.getMessage(current.stream, { seq })
    const topic = message === null ? undefined : subjects.topicOf(message.subject)
    // The log keeps 64 of a topic; what it does not have any more was copied by somebody long ago.
    if (message === null || topic === undefined) return
    await current.js.publish(subjects.auditOf(topic), message.data, { msgID: idOf(message.header) })
  }
}
