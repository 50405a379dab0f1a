import { readableMs } from '../../kernel/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'

/** Failures in a row after which a store is left alone. */
const failuresMax = 3
const pauseMs = { first: 250, max: 1_000 }

/** Whether a store is worth asking: a breaker of one instance, for a store that everybody is better off without meanwhile. */
export interface StoreWatch {
  /** Also counts the one who may try when a pause is over: only one does. */
  mayAsk(): boolean
  /** Nobody may ask at the moment: for what is of no haste, and tries nothing for the others. */
  isPaused(): boolean
  succeeded(): void
  failed(error: unknown): void
}

export function storeWatch({
  name,
  clock,
  random,
  logger,
}: {
  /** Who does not answer, or does again, for the log: `the store of the limiter`. */
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}): StoreWatch {
  let failures = 0
  let pausedUntil = 0
  let trying = false
  return {
    mayAsk() {
      if (failures < failuresMax) return true
      if (trying || clock.monotonic() < pausedUntil) return false
      trying = true
      return true
    },
    isPaused: () => failures >= failuresMax && clock.monotonic() < pausedUntil,
    succeeded() {
      if (failures >= failuresMax) logger.info({}, `${name} answers again`)
      failures = 0
      trying = false
    },
    failed(error) {
      // Of a call that began before the pause, as the others did that led to it: it says nothing new.
      if (failures >= failuresMax && !trying) return
      failures += 1
      trying = false
      if (failures < failuresMax) return
      const grownMs = pauseMs.first * 2 ** Math.min(10, failures - failuresMax)
      const waitMs = Math.min(pauseMs.max, grownMs) * (0.5 + random.next() / 2)
      pausedUntil = clock.monotonic() + waitMs
      if (failures === failuresMax)
        logger.warn({ err: error }, `${name} does not answer; it is asked again in ${readableMs(waitMs)}`)
    },
  }
}
