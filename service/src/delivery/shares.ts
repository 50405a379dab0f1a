/** Messages of one destination that one instance has in its hands: at first, and at most. */
export const sharesDefaults: Readonly<{ first: number; max: number }> = Object.freeze({ first: 8, max: 16 })

/**
 * How many messages may be on their way to each destination. A destination that takes what it gets earns one more place
 * with each message, one that fails loses half, so that what hangs holds few; and none may take more than half of the
 * places that are free, so that there is always room for another.
 */
export interface Shares {
  /** How many more may be sent to it now, when there are `left` places for all. */
  free(destination: string, left: number): number
  taken(destination: string): void
  returned(destination: string, well: boolean): void
}

export function createShares(bounds: typeof sharesDefaults = sharesDefaults): Shares {
  const { first, max } = bounds
  const shares = new Map<string, { size: number; taken: number }>()
  const shareOf = (destination: string) => {
    const share = shares.get(destination) ?? { size: first, taken: 0 }
    shares.set(destination, share)
    return share
  }
  return {
    free(destination, left) {
      const { size, taken } = shareOf(destination)
      return Math.max(0, Math.min(size - taken, Math.ceil(left / 2)))
    },
    taken(destination) {
      shareOf(destination).taken += 1
    },
    returned(destination, well) {
      const share = shareOf(destination)
      share.taken -= 1
      share.size = well ? Math.min(max, share.size + 1) : Math.max(1, Math.floor(share.size / 2))
      // What is as at first need not be remembered.
      if (share.taken === 0 && share.size === first) shares.delete(destination)
    },
  }
}
