import type { Clock, Timer } from '../ports/clock.ts'

/** How long nothing may come of a breaker before what was adopted of it counts as certain, in ms. */
export const silenceMs = 10_000

/** Tells when nothing was heard of a breaker for a while. One timer, whatever the number of breakers. */
export interface SilenceWatch {
  /** Something was heard of it just now. */
  watch(breaker: string): void
  stop(): void
}

export function silenceWatch(clock: Clock, onSilence: (breaker: string) => void): SilenceWatch {
  /** Since when, monotonic; the longest silent first. */
  const heardAt = new Map<string, number>()
  let timer: Timer | undefined

  return {
    watch(breaker) {
      heardAt.delete(breaker)
      heardAt.set(breaker, clock.monotonic())
      if (timer === undefined) wait(silenceMs)
    },
    stop() {
      heardAt.clear()
      if (timer !== undefined) clock.clearTimeout(timer)
    },
  }

  function wait(delayMs: number): void {
    timer = clock.setTimeout(check, delayMs)
  }

  function check(): void {
    timer = undefined
    for (const [breaker, since] of heardAt) {
      const leftMs = since + silenceMs - clock.monotonic()
      if (leftMs > 0) return wait(leftMs)
      heardAt.delete(breaker)
      onSilence(breaker)
    }
  }
}
