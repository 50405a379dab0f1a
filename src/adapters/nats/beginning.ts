import type { ConsumerInfo, StreamInfo } from '@nats-io/jetstream'
import { addConsumer, forgetConsumer } from './consumers.ts'
import { isSameLog, type Place } from './place.ts'
import type { Session } from './session.ts'

/** From where a member reads on. */
export interface Beginning {
  readonly consumer: ConsumerInfo
  /** Where it had read to; at 0 of the new one, if the log is another than before. */
  readonly place: Place
  /** The last message that the leader of the stream had when the consumer was there. */
  readonly lastSeq: number
}

/** How often a stream may turn out to be another one while it is being joined. */
const attemptsMax = 3

/**
 * Makes a consumer that begins where reading ended, or at the first message if the log is another one by now.
 * @throws errors of `findStream` and of the client.
 */
export async function begin(
  session: Session,
  place: Place | undefined,
  findStream: () => Promise<StreamInfo>,
): Promise<Beginning> {
  let known = place
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const found = await findStream()
    if (known === undefined || !(await isSameLog(session.jsm, found, known))) {
      known = { created: found.created, seq: 0, id: '' }
    }
    const consumer = await addConsumer(session, startAfter(known.seq))
    // Asked once more, since the stream may have been replaced before the consumer was made.
    const { created, state } = await session.jsm.streams.info(session.stream)
    if (created === known.created && state.last_seq >= known.seq) {
      return { consumer, place: known, lastSeq: state.last_seq }
    }
    forgetConsumer(session, consumer.name)
  }
  throw new Error(`stream ${session.stream} is replaced again and again`)
}

function startAfter(seq: number): Parameters<typeof addConsumer>[1] {
  return seq === 0 ? { deliver_policy: 'all' } : { deliver_policy: 'by_start_sequence', opt_start_seq: seq + 1 }
}
