import { durationMsMax } from '../../kernel/options.ts'
import type { Clock, Timer } from '../../ports/clock.ts'

/** What waits, and from when on it is too old, by the monotonic clock. */
interface Aging {
  readonly expiresAt: number
}

export interface AgeWatch {
  /** One more waits. */
  add(waiting: Aging): void
  close(): void
}

/** Those that are too old are looked for no more often than this, in ms. */
const lookEveryMs = 10

/** Sees to what has waited too long: by one timer, for the one that is too old next. */
export function ageWatch<W extends Aging>(
  clock: Clock,
  all: () => readonly W[],
  expire: (waiting: W) => void,
): AgeWatch {
  let next: { readonly at: number; readonly timer: Timer } | undefined

  function lookAt(at: number): void {
    if (next !== undefined) clock.clearTimeout(next.timer)
    const inMs = Math.min(durationMsMax, Math.max(0, at - clock.monotonic()))
    next = { at, timer: clock.setTimeout(look, inMs, { keepAlive: true }) }
  }

  function look(): void {
    next = undefined
    const now = clock.monotonic()
    const waiting = all()
    const earliest = waiting.reduce(
      (least, { expiresAt }) => (expiresAt > now ? Math.min(least, expiresAt) : least),
      Infinity,
    )
    // Before anybody hears of one that is too old, and ends all of this.
    if (earliest !== Infinity) lookAt(Math.max(earliest, now + lookEveryMs))
    for (const one of waiting) if (one.expiresAt <= now) expire(one)
  }

  return {
    add({ expiresAt }) {
      if (expiresAt !== Infinity && (next === undefined || expiresAt < next.at)) lookAt(expiresAt)
    },
    close() {
      if (next !== undefined) clock.clearTimeout(next.timer)
      next = undefined
    },
  }
}
