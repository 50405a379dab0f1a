/** Which destinations asked to be left alone, and until when; this process's part of what the store keeps. */
export interface Holds {
  /** A longer hold that is there stays. */
  hold(destination: string, forMs: number): void
  /** How much longer, in ms; 0 when it is not held back. */
  leftMs(destination: string): number
}

export function createHolds(): Holds {
  const untilByDestination = new Map<string, number>()
  return {
    hold(destination, forMs) {
      const until = performance.now() + forMs
      if (until > (untilByDestination.get(destination) ?? 0)) untilByDestination.set(destination, until)
    },
    leftMs(destination) {
      const left = (untilByDestination.get(destination) ?? 0) - performance.now()
      if (left > 0) return left
      untilByDestination.delete(destination)
      return 0
    },
  }
}
