import type { Msg } from '@nats-io/transport-node'
import type { Beginning } from './beginning.ts'
import { orderedPull } from './ordered-pull.ts'
import type { Delivery } from './stored-message.ts'
import type { Session } from './session.ts'

export interface FollowHandler {
  onMessage(msg: Msg, delivery: Delivery): void
  /** All that was stored at the beginning has been delivered. Once. */
  onCaughtUp(): void
}

export interface Following {
  /** Why it ended. Never rejects. */
  readonly ended: Promise<string>
  end(why: string): void
}

/** Follows the log from a beginning on, until something may have been missed. */
export function follow(session: Session, beginning: Beginning, handler: FollowHandler): Following {
  const { consumer, place, lastSeq } = beginning
  let seq = place.seq
  let target = lastSeq
  let catchingUp = true
  let resolve: (why: string) => void = () => {}
  const ended = new Promise<string>((settle) => (resolve = settle))

  const pull = orderedPull({ ...session, consumer: consumer.name }, { onMessage, onIdle, onEnd: end })
  look()

  return { ended, end }

  function onMessage(msg: Msg, delivery: Delivery): void {
    // Pushed out of the log by newer ones before they were delivered; a replay knows what that leaves uncertain.
    if (!catchingUp && delivery.seq !== seq + 1) return end('the log dropped messages before they were read')
    seq = delivery.seq
    handler.onMessage(msg, delivery)
    look()
  }

  function onIdle(deliveredSeq: number): void {
    if (deliveredSeq < seq) end('the stream has lost its end')
    else if (seq < target) void passOver()
  }

  /** Nothing more is delivered, and the last message was not: has somebody deleted it? */
  async function passOver(): Promise<void> {
    const message = await session.jsm.streams.getMessage(session.stream, { seq: target }).catch(() => undefined)
    if (message !== null) return
    target = seq
    look()
  }

  function look(): void {
    if (!catchingUp || seq < target) return
    catchingUp = false
    handler.onCaughtUp()
  }

  function end(why: string): void {
    catchingUp = false
    pull.stop()
    resolve(why)
  }
}
