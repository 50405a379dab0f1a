import type { ConsumerConfig, ConsumerInfo } from '@nats-io/jetstream'
import { nanos, nuid, TimeoutError, type Msg } from '@nats-io/transport-node'
import { systemClock, within } from '../../ports/clock.ts'
import { orderedPull } from './ordered-pull.ts'
import type { Session } from './session.ts'
import type { Delivery } from './stored-message.ts'

/** The server removes a consumer that nobody pulls from for this long, in ms. */
const inactiveMs = 60_000

/**
 * How long one consumer is waited for, in ms. A cluster also places those of one copy on a node that is gone, for as long
 * as a minute after its end, and then nobody answers: with one node of three gone, a third of them.
 */
const placedMs = 1_000

/**
 * Makes an ephemeral consumer that delivers each message once, in order, and wants no acknowledgement. One that does not
 * answer is forgotten, and another is asked for, until the deadline.
 * @throws TimeoutError when none of them answered
 */
export async function addConsumer(session: Session, which: Partial<ConsumerConfig>): Promise<ConsumerInfo> {
  const { jsm, stream, instance, deadlineMs } = session
  const endAt = systemClock.monotonic() + deadlineMs
  for (let leftMs = deadlineMs; leftMs > 0; leftMs = endAt - systemClock.monotonic()) {
    const name = `switchgear_${nuid.next()}`
    const asked = jsm.consumers.add(stream, {
      ...which,
      name,
      description: instance,
      ack_policy: 'none',
      max_deliver: 1,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: nanos(inactiveMs),
    })
    const consumer = await within(systemClock, Math.min(placedMs, leftMs), asked)
    if (consumer !== undefined) return consumer
    forgetConsumer(session, name)
  }
  throw new TimeoutError()
}

/** Tells the server that a consumer is not needed any more. Waits for no answer: it would remove it by itself as well. */
export function forgetConsumer({ nc, stream }: Session, consumer: string): void {
  if (!nc.isClosed()) nc.publish(`$JS.API.CONSUMER.DELETE.${stream}.${consumer}`)
}

/**
 * Reads what a consumer has to deliver now, to its end. @throws Error when that ends early, and when the signal aborts.
 */
export async function readToEnd(
  session: Session,
  which: Partial<ConsumerConfig>,
  onMessage: (msg: Msg, delivery: Delivery) => void,
  signal: AbortSignal,
): Promise<void> {
  const { name, num_pending: pending } = await addConsumer(session, which)
  try {
    if (pending === 0) return
    await new Promise<void>((resolve, reject) => {
      signal.throwIfAborted()
      const pull = orderedPull(
        { ...session, consumer: name },
        {
          onMessage(msg, delivery) {
            onMessage(msg, delivery)
            if (delivery.pending === 0) end(resolve)
          },
          onIdle: () => {},
          onEnd: (why) => end(() => reject(new Error(why))),
        },
      )
      signal.addEventListener('abort', onAbort, { once: true })
      function onAbort(): void {
        end(() => reject(new Error('nobody waits for it any more', { cause: signal.reason })))
      }
      function end(settle: () => void): void {
        pull.stop()
        signal.removeEventListener('abort', onAbort)
        settle()
      }
    })
  } finally {
    forgetConsumer(session, name)
  }
}
