import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type PubAck,
} from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { OverCapacityError, UnavailableError } from '../../kernel/errors.ts'
import { systemClock, within } from '../../ports/clock.ts'
import { messageBytesMax, type AppendResult, type LogAppend } from '../../ports/event-log.ts'
import { idOf } from './stored-message.ts'
import { isApiError } from './streams.ts'
import type { FleetSubjects } from './subjects.ts'

export interface AppendTo {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly subjects: FleetSubjects
  /** For all of it, in ms: three attempts and a look at what is stored, a quarter each. */
  readonly deadlineMs: number
  /** Whether it may be sent: what is sent without a link would arrive late. */
  readonly linked: () => boolean
}

export type Appended =
  | (AppendResult & { readonly status: 'stored'; readonly duplicate: boolean })
  | (AppendResult & {
      readonly status: 'conflict'
      /** The sequence of the topic's last message, where it could be asked for. */ readonly lastSeq?: number
    })

const attemptsMax = 3
const messageTooLarge = 10054

/**
 * Appends under compare-and-set. Where no answer comes, the same bytes are sent again, three times in all and well
 * within the server's memory of ids. Where the answer is that the topic has moved, its last message is read from the
 * leader: if that is this one, an earlier attempt has stored it.
 * @throws UnavailableError when it cannot be told in time whether it was stored, or when there is no link.
 * @throws OverCapacityError for a message that is too long.
 */
export async function appendTo(to: AppendTo, message: LogAppend): Promise<Appended> {
  if (message.data.length > messageBytesMax) throw tooLarge(message)
  let failure: unknown
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    if (!to.linked()) throw unavailable('there is no link to the log', failure)
    try {
      const { seq, duplicate } = await publish(to, message)
      return { status: 'stored', seq, duplicate }
    } catch (error) {
      if (isWrongLastSequence(error)) return resolveConflict(to, message, attempt > 1)
      if (isApiError(error, messageTooLarge)) throw tooLarge(message)
      if (attempt === 1 && isRefusal(error)) throw unavailable('the server took nothing', error)
      failure = error
    }
  }
  throw unknown(message, failure)
}

function publish({ js, subjects, deadlineMs }: AppendTo, { topic, id, expected, data }: LogAppend): Promise<PubAck> {
  const given = headers()
  given.set('content-type', 'application/cloudevents+json')
  return js.publish(subjects.logOf(topic), data, {
    headers: given,
    msgID: id,
    expect: { lastSubjectSequence: expected, streamName: subjects.stream },
    timeout: deadlineMs / (attemptsMax + 1),
  })
}

async function resolveConflict(to: AppendTo, message: LogAppend, repeated: boolean): Promise<Appended> {
  try {
    const query = { last_by_subj: to.subjects.logOf(message.topic) }
    const asked = to.jsm.streams.getMessage(to.subjects.stream, query).then((found) => ({ last: found }))
    const answer = await within(systemClock, to.deadlineMs / (attemptsMax + 1), asked)
    if (answer === undefined) throw new Error('the last message of the topic was not given in time')
    const { last } = answer
    if (last !== null && idOf(last.header) === message.id) return { status: 'stored', seq: last.seq, duplicate: true }
    return { status: 'conflict', lastSeq: last?.seq ?? 0 }
  } catch (error) {
    // Sent once, the answer itself is enough; after a repetition it may be one's own message that is in the way.
    if (repeated) throw unknown(message, error)
    return { status: 'conflict' }
  }
}

function isWrongLastSequence(error: unknown): boolean {
  const { StreamWrongLastSequence, StreamWrongLastSequenceUnknown } = JetStreamApiCodes
  return isApiError(error, StreamWrongLastSequence, StreamWrongLastSequenceUnknown)
}

/** The server says so itself, or nobody was there to take it; any other failure may have come after it was stored. */
function isRefusal(error: unknown): boolean {
  return error instanceof JetStreamApiError || (error instanceof Error && error.name === 'JetStreamNotEnabled')
}

function tooLarge({ topic }: LogAppend): OverCapacityError {
  return new OverCapacityError(`a message for "${topic}"`, 'messageBytesMax', messageBytesMax)
}

function unknown({ id }: LogAppend, cause: unknown): UnavailableError {
  return unavailable(`no answer whether "${id}" was stored`, cause)
}

function unavailable(message: string, cause: unknown): UnavailableError {
  return new UnavailableError('event log', message, cause === undefined ? {} : { cause })
}
