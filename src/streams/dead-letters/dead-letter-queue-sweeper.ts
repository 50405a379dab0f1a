import { durationMsMax } from '../../kernel/options.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'

export interface Sweeper {
  /** To be waited for before each use of the store: sweeps, where that is to be done then. */
  beforeUse(): Promise<void>
  stop(): void
}

/**
 * Drops what is too old, a step at a time: every so often, by a timer that does not keep the process alive, or before each
 * use where `everyMs` is 0. The times are spread, so that a fleet does not sweep all at once.
 */
export function sweeper(
  sweep: () => Promise<number>,
  { everyMs, clock, random, logger }: { everyMs: number; clock: Clock; random: Random; logger: Logger },
): Sweeper {
  let timer: Timer | undefined
  let stopped = false
  let isFailing = false

  /** Never rejects: that old letters stay for a while is no reason not to look at the others. */
  const sweepAll = async (): Promise<void> => {
    try {
      while (!stopped && (await sweep()) > 0);
      isFailing = false
    } catch (error) {
      if (!isFailing) logger.warn({ err: error }, 'old dead letters could not be dropped')
      isFailing = true
    }
  }

  const arm = (): void => {
    timer = clock.setTimeout(() => void run(), Math.min(durationMsMax, everyMs * (0.5 + random.next())))
  }

  const run = async (): Promise<void> => {
    await sweepAll()
    if (!stopped) arm()
  }

  if (everyMs > 0) arm()
  return {
    beforeUse: everyMs > 0 ? async () => {} : sweepAll,
    stop() {
      stopped = true
      if (timer !== undefined) clock.clearTimeout(timer)
    },
  }
}
