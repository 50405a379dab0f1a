import { destinationHolds, type DestinationHolds, type Logger } from 'switchgear'
import type { AlertStore } from '../store/alert-store.ts'
import type { Hold } from '../store/holds.ts'

/** Messages that were on their way together hear the same answer: what is longer by no more than this is no news, in ms. */
const sameMs = 100

/** Which destinations asked to be left alone, and until when: kept in the store for all instances, and over restarts. */
export interface Holds extends DestinationHolds {
  /** Takes in what stands in the store. */
  learn(hold: Hold): void
  /** Resolves when nothing is being written. */
  idle(): Promise<void>
}

export function sharedHolds({
  store,
  logger,
}: {
  readonly store: Pick<AlertStore, 'hold'>
  readonly logger: Logger
}): Holds {
  const holds = destinationHolds()
  const writing = new Set<Promise<void>>()

  return {
    leftMs: (destination) => holds.leftMs(destination),
    hold(destination, forMs) {
      const isNews = forMs > holds.leftMs(destination) + sameMs
      holds.hold(destination, forMs)
      if (!isNews) return
      const written = write({ destination, leftMs: forMs })
      writing.add(written)
      void written.then(() => writing.delete(written))
    },
    learn: ({ destination, leftMs }) => holds.hold(destination, leftMs),
    async idle() {
      await Promise.all(writing)
    },
  }

  async function write(hold: Hold): Promise<void> {
    try {
      await store.hold(hold, 'Retry-After')
      logger.info(hold, 'the destination asked to be left alone for a while')
    } catch (error) {
      // This process keeps to it all the same.
      logger.error({ error, destination: hold.destination }, 'a hold could not be written')
    }
  }
}
