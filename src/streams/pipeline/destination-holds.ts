import { unheeded } from '../../kernel/unheeded.ts'
import { type Clock, systemClock } from '../../ports/clock.ts'

/**
 * Which destinations asked to be left alone, and until when. Pipelines that are given the same one share what they were
 * told; one that tells a store, and hears of the store's, shares it with the fleet.
 */
export interface DestinationHolds {
  /** Nothing is sent to it for `forMs`. A longer hold that is there stays. */
  hold(destination: string, forMs: number): void
  /** How much longer, in ms; 0 when it is not held. Asked before every first attempt, so it must be cheap. */
  leftMs(destination: string): number
}

/** The same, for those of somebody else: where they throw, nobody asked for anything. */
export function quietHolds(holds: DestinationHolds): DestinationHolds {
  return {
    hold(destination, forMs) {
      unheeded(() => holds.hold(destination, forMs))
    },
    leftMs(destination) {
      try {
        return holds.leftMs(destination)
      } catch {
        return 0
      }
    },
  }
}

/** So many are kept before those that are over are looked for. */
const sweepAt = 1_000

/** Holds in this process's memory. */
export function destinationHolds({ clock = systemClock }: { readonly clock?: Clock } = {}): DestinationHolds {
  const untilByDestination = new Map<string, number>()
  const sweep = (now: number): void => {
    for (const [destination, until] of untilByDestination) if (until <= now) untilByDestination.delete(destination)
  }
  return {
    hold(destination, forMs) {
      const now = clock.monotonic()
      if (untilByDestination.size >= sweepAt) sweep(now)
      const until = now + forMs
      if (until > (untilByDestination.get(destination) ?? now)) untilByDestination.set(destination, until)
    },
    leftMs(destination) {
      if (untilByDestination.size === 0) return 0
      const leftMs = (untilByDestination.get(destination) ?? 0) - clock.monotonic()
      if (leftMs > 0) return leftMs
      untilByDestination.delete(destination)
      return 0
    },
  }
}
