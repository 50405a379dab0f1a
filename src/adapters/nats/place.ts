import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream'
import { idOf } from './stored-message.ts'

/** How far a member has read, in which log. */
export interface Place {
  /** When the stream was created, as the server says it: another time, another stream. */
  readonly created: string
  /** Of the last message that was read; 0 for none. */
  readonly seq: number
  /** That message's id. */
  readonly id: string
}

/**
 * Whether the stream is still the log that was read up to `place`, or one that was recreated, or has lost its end since.
 * A message that is not there any more proves nothing: newer ones of its topic have pushed it out.
 */
export async function isSameLog(jsm: JetStreamManager, info: StreamInfo, place: Place): Promise<boolean> {
  if (info.created !== place.created || info.state.last_seq < place.seq) return false
  if (place.seq === 0) return true
  // Not a direct get, which any replica answers, also one that lags behind: this one is the leader's.
  const message = await jsm.streams.getMessage(info.config.name, { seq: place.seq })
  return message === null || idOf(message.header) === place.id
}
