import { UnavailableError } from '../../kernel/errors.ts'
import type { SharedCache } from '../../ports/cache.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'
import { saidRarely } from '../store-guards/said-rarely.ts'
import { sharedDeadline } from '../store-guards/shared-deadline.ts'
import { storeWatch } from '../store-guards/store-watch.ts'

/** How the shared tier is talked to, so that it costs nobody more than a deadline. */
export interface CacheAsking {
  /** What it says in time; `undefined` when it does not, or is not worth asking. */
  ask<T>(question: () => Promise<T>): Promise<T | undefined>
  /** Tells it what it must know. @throws UnavailableError */
  tell(order: (tier: SharedCache) => Promise<void>): Promise<void>
}

export function cacheAsking(
  shared: SharedCache | undefined,
  options: {
    readonly deadlineMs: number
    readonly clock: Clock
    readonly random: Random
    readonly logger: Logger
    /** Whether an error is about whoever asks, rather than about a key. */
    readonly isOutage: (error: unknown) => boolean
    readonly onUnanswered: () => void
  },
): CacheAsking {
  const { deadlineMs, clock, logger, isOutage, onUnanswered } = options
  const watch = storeWatch({ ...options, name: 'the shared cache' })
  const inTime = sharedDeadline(clock, deadlineMs, 'the shared cache')
  const sayOfKey = saidRarely(clock, (facts) => logger.warn(facts, 'the shared cache answers, and not about a key'))
  return {
    async ask(question) {
      if (watch.mayAsk()) {
        try {
          const answer = await inTime(question)
          watch.succeeded()
          return answer
        } catch (error) {
          if (isOutage(error)) watch.failed(error)
          else {
            watch.succeeded()
            sayOfKey({ err: error })
          }
        }
      }
      onUnanswered()
      return undefined
    },
    async tell(order) {
      if (shared === undefined) return
      await inTime(() => order(shared)).catch((error: unknown) => {
        if (error instanceof UnavailableError) throw error
        throw new UnavailableError('the shared cache', `it did not answer in ${deadlineMs} ms`, { cause: error })
      })
    },
  }
}
