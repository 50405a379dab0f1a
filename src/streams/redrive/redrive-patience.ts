import { TimeoutError, UnavailableError } from '../../kernel/errors.ts'
import { growingDelay } from '../../kernel/jitter.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'

const delay = { baseMs: 100, maxMs: 5_000, multiplier: 2, jitter: 'equal' } as const

/** Asks a store until it answers. */
export interface Patience {
  /** Rejects with what is no outage; and, once the signal has aborted, with whatever the next try rejects with. */
  <T>(ask: () => Promise<T>, onUnanswered?: () => void): Promise<T>
}

export function patience(
  signal: AbortSignal,
  { clock, random, logger }: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
): Patience {
  return async (ask, onUnanswered) => {
    for (let tries = 0; ; tries += 1) {
      try {
        return await ask()
      } catch (error) {
        if (signal.aborted || !isOutage(error)) throw error
        if (tries === 0)
          logger.warn({ err: error }, 'the store of dead letters does not answer; the redrive waits for it')
        onUnanswered?.()
      }
      await clock.sleep(growingDelay(delay, tries, random.next(), delay.baseMs), { signal }).catch(() => {})
    }
  }
}

export function isOutage(error: unknown): boolean {
  return error instanceof UnavailableError || error instanceof TimeoutError
}
