import type { Msg, MsgHdrs } from '@nats-io/transport-node'
import type { StoredMessage } from '../../ports/event-log.ts'
import type { FleetSubjects } from './subjects.ts'

/** What the server says of a message that it delivers: it stands in the reply subject. */
export interface Delivery {
  /** How often it has been delivered, this time included. */
  readonly tries: number
  /** Its sequence in the stream. */
  readonly seq: number
  /** Its number among the deliveries of this consumer, from 1. */
  readonly delivered: number
  /** When it was stored, in ms since the epoch, rounded down. */
  readonly at: number
  /** How many more this consumer has to deliver. */
  readonly pending: number
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<tries>.<seq>.<delivered>.<nanos>.<pending>`; with a domain and an account after
 * `ACK` where the server has them. `undefined` for anything else. The nanoseconds are cut as text, since as a number
 * they would be rounded, and two ways of reading a message would give two times.
 */
export function readDelivery(reply: string | undefined): Delivery | undefined {
  const tokens = reply?.split('.') ?? []
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined
  const first = tokens.length >= 11 ? 4 : 2
  const at = tokens[first + 5] ?? ''
  return {
    tries: Number(tokens[first + 2]),
    seq: Number(tokens[first + 3]),
    delivered: Number(tokens[first + 4]),
    at: Number(at.slice(0, -6)),
    pending: Number(tokens[first + 6]),
  }
}

/** A delivered message as the port has it; `undefined` when its subject is none of this log's. */
export function storedMessage(subjects: FleetSubjects, msg: Msg, { seq, at }: Delivery): StoredMessage | undefined {
  const topic = subjects.topicOf(msg.subject)
  return topic === undefined ? undefined : new DeliveredMessage(topic, seq, at, msg)
}

/** Reads its headers when they are asked for: of a replay only the decisive messages are, and headers are its main cost. */
class DeliveredMessage implements StoredMessage {
  readonly topic: string
  readonly seq: number
  readonly at: number
  readonly #msg: Msg

  constructor(topic: string, seq: number, at: number, msg: Msg) {
    this.topic = topic
    this.seq = seq
    this.at = at
    this.#msg = msg
  }

  get id(): string {
    return idOf(this.#msg.headers)
  }

  get expected(): number {
    return expectedOf(this.#msg.headers)
  }

  /** A part of all that came in one read of the socket: whoever keeps it keeps that alive. */
  get data(): Uint8Array {
    return this.#msg.data
  }
}

/** A copy, for who keeps it: what the client gives is a part of all that came in one read of the socket. */
export function ownBytes({ data }: Msg): Uint8Array {
  return new Uint8Array(data)
}

/** The id that the message was published with; empty for none. */
export function idOf(headers: MsgHdrs | undefined): string {
  return headers?.get('Nats-Msg-Id') ?? ''
}

/** Published without an expectation, it names no predecessor: -1, which follows upon nothing. */
function expectedOf(headers: MsgHdrs | undefined): number {
  const text = headers?.get('Nats-Expected-Last-Subject-Sequence') ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : -1
}
