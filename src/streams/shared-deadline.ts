import { TimeoutError } from '../kernel/errors.ts'
import type { Clock, Timer } from '../ports/clock.ts'

interface Waiting {
  readonly endAt: number
  /** `undefined` when it does not wait any more. */
  giveUp: (() => void) | undefined
}

/**
 * Waits for an answer, but no longer than `deadlineMs`: then it rejects with a `TimeoutError`, and what comes later is
 * ignored. One timer serves all who wait, since those who came first are late first; it keeps the process alive while
 * somebody does.
 */
export function sharedDeadline(
  clock: Clock,
  deadlineMs: number,
  what: string,
): <T>(ask: () => Promise<T>) => Promise<T> {
  let queue: Waiting[] = []
  let first = 0
  let waiting = 0
  let timer: Timer | undefined

  const arm = (now: number): void => {
    const next = queue[first]
    if (next === undefined || timer !== undefined) return
    timer = clock.setTimeout(expire, Math.max(0, next.endAt - now), { keepAlive: true })
  }

  const expire = (): void => {
    timer = undefined
    const now = clock.monotonic()
    for (let next = queue[first]; next !== undefined && (!next.giveUp || next.endAt <= now); next = queue[first]) {
      first += 1
      next.giveUp?.()
    }
    queue = queue.slice(first)
    first = 0
    arm(now)
  }

  const leave = (entry: Waiting): boolean => {
    if (entry.giveUp === undefined) return false
    entry.giveUp = undefined
    waiting -= 1
    if (waiting > 0) return true
    if (timer !== undefined) clock.clearTimeout(timer)
    timer = undefined
    queue = []
    first = 0
    return true
  }

  return (ask) =>
    new Promise((resolve, reject) => {
      const now = clock.monotonic()
      const entry: Waiting = { endAt: now + deadlineMs, giveUp: undefined }
      entry.giveUp = () => {
        leave(entry)
        reject(new TimeoutError(what, deadlineMs))
      }
      waiting += 1
      queue.push(entry)
      arm(now)
      ask().then(
        (answer) => leave(entry) && resolve(answer),
        (error: unknown) => leave(entry) && reject(error),
      )
    })
}
