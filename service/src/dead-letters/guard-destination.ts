import { BreakerOpenError, type RedriveBreaker, type Switchgear } from 'switchgear'
import { isOutbox } from '../config/destination.ts'
import { askedToWaitMs } from '../delivery/asked-to-wait.ts'
import type { Holds } from '../delivery/holds.ts'

/**
 * The breaker of a destination, together with the wait that the destination asked for: a redrive pauses for either, and
 * spends nothing. The outbox has none, since nothing can fail there. @throws OverCapacityError, ClosedError
 */
export function guardDestination(
  destination: string,
  { gear, holds }: { readonly gear: Pick<Switchgear, 'breaker'>; readonly holds: Holds },
): RedriveBreaker {
  if (isOutbox(destination)) return unguarded
  const breaker = gear.breaker(destination)
  return {
    refusedForMs() {
      const heldMs = holds.leftMs(destination)
      return heldMs > 0 ? heldMs : breaker.refusedForMs?.()
    },
    async run(work, options) {
      const heldMs = holds.leftMs(destination)
      if (heldMs > 0) throw notNow(destination, heldMs, askedToWait)
      try {
        return await breaker.run(work, options)
      } catch (error) {
        const waitMs = askedToWaitMs(error) > 0 ? holds.leftMs(destination) : 0
        throw waitMs > 0 ? notNow(destination, waitMs, askedToWait) : error
      }
    },
  }
}

/** Lets everything through. */
export const unguarded: RedriveBreaker = {
  run: async (work, { signal = new AbortController().signal } = {}) => work({ signal }),
}

const askedToWait = 'it asked to be left alone'

/** Tells a redrive that a letter has to wait, as an open breaker does: nothing is spent, and others go on. */
export function notNow(breaker: string, retryAfterMs: number, because: string): BreakerOpenError {
  return new BreakerOpenError({ breaker, mode: 'open', retryAfterMs, retryAt: Date.now() + retryAfterMs, because })
}
