import { UnavailableError } from '../../kernel/errors.ts'
import { systemClock, within } from '../../ports/clock.ts'
import type { AppendResult, LogAppend, LogFollower, LogMembership, StoredMessage } from '../../ports/event-log.ts'
import { quietly, type Logger } from '../../ports/logger.ts'
import { appendTo } from './append.ts'
import { auditTrail, type AuditTrail } from './audit.ts'
import { channelsOver } from './channels.ts'
import { messageOf, type Connection } from './connection.ts'
import { readToEnd } from './consumers.ts'
import { keepLinked } from './link.ts'
import { replicasWarning } from './server-version.ts'
import type { Session } from './session.ts'
import { storedMessage } from './stored-message.ts'
import { auditStreamSettings, logStreamSettings } from './stream-settings.ts'
import { findStream, tellOnce } from './streams.ts'
import { fleetSubjects } from './subjects.ts'

export interface MemberSettings {
  readonly manage: boolean
  readonly replicas: number
  readonly storage: 'file' | 'memory'
  /** 0 for no audit. */
  readonly auditDays: number
  readonly deadlineMs: number
  readonly heartbeatMs: number
  readonly inboxPrefix: string | undefined
}

export interface Joining {
  readonly fleet: string
  readonly instance: string
  readonly logger: Logger
}

/** One follower's place in the log of its fleet, over a connection that others may share. */
export function joinLog(
  connection: Connection,
  settings: MemberSettings,
  { fleet, instance, logger }: Joining,
  follower: LogFollower,
): LogMembership {
  const { deadlineMs, heartbeatMs, inboxPrefix, manage, auditDays } = settings
  const subjects = fleetSubjects(fleet)
  const quiet = quietly(logger)
  const tell = tellOnce(quiet, { fleet, instance })
  const onThrow = (error: unknown): void =>
    quiet.error({ fleet, instance, err: error }, 'a follower of the log threw; it goes on with the next message')
  const guarded = (call: () => void): void => {
    try {
      call()
    } catch (error) {
      onThrow(error)
    }
  }
  const sessions = { stream: subjects.stream, instance, inboxPrefix, heartbeatMs, deadlineMs }
  const link = keepLinked(
    {
      ...sessions,
      connection,
      subjects,
      findStream({ nc, jsm }) {
        const warning = replicasWarning(nc.info?.version, settings.replicas)
        if (warning !== undefined) tell('warn', warning)
        return findStream(jsm, logStreamSettings(subjects, settings), { manage, tell })
      },
    },
    {
      onLink: (next) => guarded(() => follower.onLink(next)),
      onPreview: (message) => guarded(() => follower.onPreview(message)),
      onMessage: (message) => guarded(() => follower.onMessage(message)),
    },
  )
  const channels = channelsOver(connection, subjects, onThrow)
  const audit: AuditTrail | undefined =
    auditDays === 0
      ? undefined
      : auditTrail({
          ...sessions,
          connection,
          subjects,
          findStream: ({ jsm }) =>
            findStream(jsm, auditStreamSettings(subjects, settings, auditDays), { manage, tell }),
          tell,
        })
  let leaving: Promise<void> | undefined

  return {
    append,
    read,
    broadcast: (channel, data) => guarded(() => channels.broadcast(channel, data)),
    listen: channels.listen,
    audit: (seq) => audit?.copy(seq),
    leave: () => (leaving ??= leave()),
  }

  async function append(message: LogAppend): Promise<AppendResult> {
    const { session, seq: readTo } = link
    if (session === undefined || !link.linked) throw new UnavailableError('event log', 'there is no link to the log')
    const result = await appendTo(
      { ...session, subjects, deadlineMs, linked: () => link.session === session && link.linked },
      message,
    )
    if (result.status === 'stored') {
      // What is new stands beyond what was read before, in the log that was read.
      if (!result.duplicate && result.seq <= readTo) link.distrust('what was appended stands before what was read')
      return { status: 'stored', seq: result.seq }
    }
    if (result.lastSeq !== undefined && result.lastSeq < message.expected && message.expected <= readTo)
      link.distrust('what was read is not in the log any more')
    return { status: 'conflict' }
  }

  async function read(topic: string): Promise<readonly StoredMessage[]> {
    const { session } = link
    if (session === undefined) throw new UnavailableError('event log', 'there is no connection')
    const late = new AbortController()
    const messages = await within(systemClock, deadlineMs, readTopic(session, topic, late.signal))
    late.abort()
    if (messages === undefined) throw new UnavailableError('event log', `no answer within ${deadlineMs} ms`)
    return messages
  }

  async function readTopic(session: Session, topic: string, signal: AbortSignal): Promise<readonly StoredMessage[]> {
    const messages: StoredMessage[] = []
    const which = { deliver_policy: 'all', filter_subject: subjects.logOf(topic) } as const
    try {
      await readToEnd(
        session,
        which,
        (msg, delivery) => {
          const message = storedMessage(subjects, msg, delivery)
          if (message !== undefined) messages.push(message)
        },
        signal,
      )
    } catch (error) {
      throw new UnavailableError('event log', messageOf(error), { cause: error })
    }
    return messages
  }

  async function leave(): Promise<void> {
    await Promise.all([link.end(), channels.end(), audit?.end()])
  }
}
