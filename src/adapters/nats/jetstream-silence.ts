import { systemClock, type Timer } from '../../ports/clock.ts'

export interface SilenceWatch {
  start(): void
  stop(): void
  heard(): void
  /** Since the last start. */
  sinceMs(): number
}

/** So many heartbeats may fail to come. */
const missedMax = 2

/** Tells when nothing was heard for two to three heartbeats, while it is on. */
export function silenceWatch(heartbeatMs: number, onSilence: (why: string) => void): SilenceWatch {
  let timer: Timer | undefined
  let heard = true
  let missed = 0
  let startedAt = 0
  let dueAt = 0

  return {
    start() {
      heard = true
      missed = 0
      startedAt = systemClock.monotonic()
      if (timer === undefined) again()
    },
    stop() {
      if (timer !== undefined) systemClock.clearTimeout(timer)
      timer = undefined
    },
    heard: () => void (heard = true),
    sinceMs: () => systemClock.monotonic() - startedAt,
  }

  function again(): void {
    dueAt = systemClock.monotonic() + heartbeatMs
    timer = systemClock.setTimeout(look, heartbeatMs)
  }

  function look(): void {
    timer = undefined
    // When this timer itself comes late, this process was busy, and what the server said is still unread.
    const late = systemClock.monotonic() - dueAt > heartbeatMs
    missed = heard || late ? 0 : missed + 1
    heard = false
    if (missed >= missedMax) return onSilence(`the server was silent for ${(missedMax + 1) * heartbeatMs} ms`)
    again()
  }
}
