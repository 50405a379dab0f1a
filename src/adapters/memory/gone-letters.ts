import type { Clock } from '../../ports/clock.ts'

const goneMs = 86_400_000
const goneMax = 1_000_000

export interface GoneLetters {
  add(id: string): void
  has(id: string): boolean
  /** Each with the monotonic time until when it is remembered. */
  snapshot(): readonly (readonly [id: string, until: number])[]
  restore(entries: readonly (readonly [id: string, until: number])[]): void
}

/** The ids of letters that were delivered or purged, for a day; the newest 1,000,000. */
export function goneLetters(clock: Clock): GoneLetters {
  /** Until when; in the order in which they went. */
  const byId = new Map<string, number>()

  const forget = (): void => {
    const now = clock.monotonic()
    for (const [id, until] of byId) {
      if (until > now && byId.size <= goneMax) return
      byId.delete(id)
    }
  }

  return {
    add(id) {
      byId.delete(id)
      byId.set(id, clock.monotonic() + goneMs)
      forget()
    },
    has(id) {
      forget()
      return byId.has(id)
    },
    snapshot: () => [...byId],
    restore(entries) {
      for (const [id, until] of entries) byId.set(id, until)
    },
  }
}
