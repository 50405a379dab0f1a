import type { NatsConnection } from '@nats-io/transport-node'
import { unheeded } from '../../kernel/unheeded.ts'
import { systemClock, type Timer } from '../../ports/clock.ts'
import type { MessageAnswer } from '../../ports/message-answer.ts'
import { payloadOf } from './jetstream-answer.ts'
import type { Delivery } from './stored-message.ts'

/** A message in hand. */
export interface Held {
  /** Which message it is, also in a stream that was made again and counts from 1. */
  readonly key: string
  /** Where its answer goes: that of its latest delivery. */
  reply: string
}

/** The messages that were taken and not answered. */
export interface Hand {
  /** `undefined` for one that is in hand already, or that was answered: it came once more, and is taken care of. */
  take(reply: string, delivery: Delivery): Held | undefined
  /** Lets go of it. Resolves when the server has the answer, or when it did not say so in time. */
  answer(held: Held, answer: MessageAnswer): Promise<void>
}

export interface HandSettings {
  readonly nc: NatsConnection
  /** After so long without a word the server delivers a message again, in ms. */
  readonly ackWaitMs: number
  /** For the server to confirm an answer, in ms. */
  readonly deadlineMs: number
  /** An answer that was not confirmed. It is given again when the message comes again. */
  onUnconfirmed(key: string, answer: MessageAnswer, error: unknown): void
}

/** So many answers that the server has not confirmed are remembered, the latest. */
const unconfirmedMax = 10_000

/** Tells the server three times in each `ack_wait` that a message is in hand, so that it is not delivered elsewhere. */
export function openHand({ nc, ackWaitMs, deadlineMs, onUnconfirmed }: HandSettings): Hand {
  const all = new Map<string, Held>()
  const unconfirmed = new Map<string, MessageAnswer>()
  let timer: Timer | undefined

  return {
    take(reply, { seq, at }) {
      const key = `${seq}.${at}`
      const there = all.get(key)
      if (there !== undefined) return void (there.reply = reply)
      const answered = unconfirmed.get(key)
      if (answered !== undefined) return void say(key, reply, answered)
      const held: Held = { key, reply }
      all.set(key, held)
      timer ??= systemClock.setTimeout(sayWorking, ackWaitMs / 3)
      return held
    },
    answer(held, answer) {
      all.delete(held.key)
      if (all.size === 0 && timer !== undefined) {
        systemClock.clearTimeout(timer)
        timer = undefined
      }
      return say(held.key, held.reply, answer)
    },
  }

  async function say(key: string, reply: string, answer: MessageAnswer): Promise<void> {
    if (answer.kind !== 'nak') remember(key, answer)
    try {
      await nc.request(reply, payloadOf(answer), { timeout: deadlineMs })
      unconfirmed.delete(key)
    } catch (error) {
      onUnconfirmed(key, answer, error)
    }
  }

  function remember(key: string, answer: MessageAnswer): void {
    const [oldest] = unconfirmed.keys()
    if (oldest !== undefined && unconfirmed.size >= unconfirmedMax) unconfirmed.delete(oldest)
    unconfirmed.set(key, answer)
  }

  function sayWorking(): void {
    timer = nc.isClosed() ? undefined : systemClock.setTimeout(sayWorking, ackWaitMs / 3)
    // A connection that is closed throws; whoever asks for messages finds that out.
    for (const { reply } of all.values()) unheeded(() => nc.publish(reply, '+WPI'))
  }
}
