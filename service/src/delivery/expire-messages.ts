import type { Logger } from 'switchgear'
import type { AlertStore } from '../store/alert-store.ts'
import type { Deliver } from './deliver-message.ts'

/** Messages that are claimed and settled at a time, and how often in one round. */
const batch = 100
const batchesMax = 10

/**
 * Gives messages that have waited too long their outcome, also where their destination is held back and nobody would claim
 * them. Each is claimed before: several instances may do this at the same time, and what one leaves behind when it dies is
 * claimed again.
 */
export async function expireMessages(
  store: Pick<AlertStore, 'claimExpired' | 'record'>,
  deliver: Deliver,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  for (let round = 0; round < batchesMax && !signal.aborted; round += 1) {
    const messages = await store.claimExpired(batch)
    const settled = await Promise.all(
      messages.map((message) => deliver({ message: { ...message, leftMs: 0 }, signal, stopping: false, sending: 0 })),
    )
    await store.record(settled.map(({ record }) => record))
    if (messages.length > 0) logger.warn({ messages: messages.length }, 'messages had waited too long')
    if (messages.length < batch) return
  }
}
