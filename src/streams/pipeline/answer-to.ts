import { growingDelay } from '../../kernel/jitter.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { MessageAnswer } from '../../ports/message-answer.ts'

/** How long a message stays away that failed and may succeed later; longer each time it was delivered. */
const backoff = Object.freeze({ baseMs: 1_000, maxMs: 60_000, multiplier: 2, jitter: { ratio: 0.1 } })
/** Nobody knows for how long: an order without an end. */
const unknownMs = 60_000

/** What an outcome means for the message. `deliveries` counts from 1; `chance` is uniform in [0, 1). */
export function answerTo(outcome: Outcome<unknown>, deliveries: number, chance: number): MessageAnswer {
  switch (outcome.status) {
    case 'delivered':
    case 'deadLettered':
    case 'fallback':
      return { kind: 'ack' }
    case 'failed': {
      const { type, retryable, retryAfterMs } = outcome.error
      // The refusal of a breaker is not retried in a loop, but nothing was found wrong with the message.
      if (!retryable && type !== 'circuit_open') return { kind: 'term' }
      return nak(retryAfterMs ?? growingDelay(backoff, deliveries - 1, chance))
    }
    case 'refused':
      return nak(outcome.retryAfterMs ?? 0)
    default:
      return outcome satisfies never
  }
}

/** Back, after a while. */
export function comeAgain(deliveries: number, chance: number): MessageAnswer {
  return nak(growingDelay(backoff, deliveries - 1, chance))
}

function nak(delayMs: number): MessageAnswer {
  return { kind: 'nak', delayMs: Number.isFinite(delayMs) ? Math.ceil(Math.max(0, delayMs)) : unknownMs }
}
