/** Messages that one instance sends at the same time: in all, and to one destination at first, at least and at most. */
export const sharesDefaults: Readonly<{ total: number; first: number; max: number }> = Object.freeze({
  total: 128,
  first: 8,
  max: 16,
})

/**
 * How many messages may be on their way to each destination. A destination that takes what it gets earns one more place
 * with each message, one that fails loses half, so that what hangs holds few; and none may take more than half of the
 * places that are free, so that there is always room for another.
 */
export interface Shares {
  /** How many more may be sent to it now, when `planned` are on their way already that were not taken yet. */
  free(destination: string, planned: number): number
  taken(destination: string): void
  returned(destination: string, well: boolean): void
  readonly inFlight: number
}

export function createShares(bounds: typeof sharesDefaults = sharesDefaults): Shares {
  const { total, first, max } = bounds
  const shares = new Map<string, { size: number; taken: number }>()
  let inFlight = 0
  const shareOf = (destination: string) => {
    const share = shares.get(destination) ?? { size: first, taken: 0 }
    shares.set(destination, share)
    return share
  }
  return {
    free(destination, planned) {
      const { size, taken } = shareOf(destination)
      const left = total - inFlight - planned
      return Math.max(0, Math.min(size - taken, Math.ceil(left / 2)))
    },
    taken(destination) {
      shareOf(destination).taken += 1
      inFlight += 1
    },
    returned(destination, well) {
      const share = shareOf(destination)
      share.taken -= 1
      share.size = well ? Math.min(max, share.size + 1) : Math.max(1, Math.floor(share.size / 2))
      inFlight -= 1
      // What is as at first need not be remembered.
      if (share.taken === 0 && share.size === first) shares.delete(destination)
    },
    get inFlight() {
      return inFlight
    },
  }
}
