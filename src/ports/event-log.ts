import type { Logger } from './logger.ts'

/** How many messages a log keeps of each topic; older ones are dropped, oldest first. */
export const retainedPerTopic = 64

/** The longest message, in bytes. */
export const messageBytesMax = 8_192

/** What an author hands to the log. */
export interface LogAppend {
  /** The breaker's name. */
  readonly topic: string
  /** The message's own id, unique for ever; appending the same id twice stores it once. */
  readonly id: string
  /** The sequence of the last message of this topic that the author knows; 0 for 'none'. */
  readonly expected: number
  readonly data: Uint8Array
}

/** A message as it stands in the log, with what the log itself says of it. */
export interface StoredMessage extends LogAppend {
  /** Its place: grows through the whole log, with gaps within a topic. */
  readonly seq: number
  /** The log's own time of it, in ms since the epoch. */
  readonly at: number
}

/**
 * What a follower may rely on.
 * `down`: nothing arrives, and nothing may be appended. `catchingUp`: retained messages are being replayed; `at` is the
 * log's time now, and with `newEpoch` the log is another than before (recreated or truncated), so that everything folded
 * from it is void. `linked`: all that was stored when the link came up has been delivered, and the log is alive.
 */
export type Link =
  | { readonly state: 'down'; readonly why: string }
  | { readonly state: 'catchingUp'; readonly at: number; readonly newEpoch: boolean }
  | { readonly state: 'linked'; readonly at: number }

/** Called by the log, one call at a time, never from within a call to the log. */
export interface LogFollower {
  onLink(link: Link): void
  /** The last message of a topic, out of turn, before the replay reaches it. Comes at most while catching up. */
  onPreview(message: StoredMessage): void
  /** The next message. Every message of the log comes, in the order of `seq`, unless the log has dropped it already. */
  onMessage(message: StoredMessage): void
}

export type AppendResult = { readonly status: 'stored'; readonly seq: number } | { readonly status: 'conflict' }

/** One follower's place in the log of its fleet. */
export interface LogMembership {
  /**
   * Stores the message if `expected` is still the last of its topic, else answers `conflict`. An answer is no proof that
   * a follower will accept it: only what comes back through `onMessage` counts.
   * @throws UnavailableError when it cannot be told in time whether it was stored.
   */
  append(message: LogAppend): Promise<AppendResult>
  /** What the log retains of a topic, oldest first. @throws UnavailableError */
  read(topic: string): Promise<readonly StoredMessage[]>
  /**
   * Copies a message that was accepted, by its `seq`, into the fleet's audit; absent where the log keeps none. Keeps nobody
   * waiting and never throws: a copy that fails is made up for by whoever appends next and asks for its predecessor's
   * as well. Asking twice is no harm, since copies carry the message's id.
   */
  audit?(seq: number): void
  /**
   * Tells the other members something, at most once, without storing it. A channel is a kind, such as `invalidate`, or a
   * kind and what it is about, such as `evidence/smtp`.
   */
  broadcast(channel: string, data: Uint8Array): void
  /** Hears what other members broadcast, not one's own. Returns how to stop. */
  listen(channel: string, hear: (data: Uint8Array) => void): () => void
  /** Leaves; when the last member leaves, the log closes what it opened. No callback comes afterwards. */
  leave(): Promise<void>
}

/**
 * An ordered, durable log of small messages by topic, shared by the instances of a fleet.
 *
 * The contract: a topic's messages are stored under compare-and-set of its last sequence; followers receive them in
 * order, each at most once, from the oldest retained one on; an id is stored at most once; `join` returns at once and
 * never throws for a log that cannot be reached.
 */
export interface EventLog {
  join(
    member: { readonly fleet: string; readonly instance: string; readonly logger: Logger },
    follower: LogFollower,
  ): LogMembership
}
