import { type Organizations, receiverOf } from '../config/organizations.ts'
import type { Settled } from '../store/record-outcomes.ts'

/** When each destination has last taken a message from this process, in ms since the epoch, by the database's clock. */
export interface Arrivals {
  /** Hears what has become of messages. */
  settled(settled: readonly Settled[]): void
  lastAt(destination: string): number | undefined
}

export function createArrivals(organizations: Organizations): Arrivals {
  const lastAt = new Map<string, number>()
  return {
    settled(settled) {
      for (const { state, organization, receiver, settledAt } of settled) {
        const to = state === 'delivered' ? receiverOf(organizations, organization, receiver) : undefined
        if (to !== undefined) lastAt.set(to.destination, settledAt)
      }
    },
    lastAt: (destination) => lastAt.get(destination),
  }
}
