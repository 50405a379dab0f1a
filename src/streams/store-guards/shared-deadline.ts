import { TimeoutError } from '../../kernel/errors.ts'
import type { Clock, Timer } from '../../ports/clock.ts'

/** Somebody who waits, in the order in which they came; out of the list, it has no neighbours. */
interface Waiting {
  readonly endAt: number
  readonly giveUp: () => void
  before: Waiting | undefined
  after: Waiting | undefined
  waits: boolean
}

/** A timer that is later than this, in ms, says that the process was busy. */
const busyMs = 10

/**
 * Waits for an answer, but no longer than `deadlineMs`: then it rejects with a `TimeoutError`, and what comes later is
 * ignored. One timer serves all who wait, since those who came first are late first; it keeps the process alive while
 * somebody does. Who is answered leaves at once, so that nothing grows old in here.
 */
export function sharedDeadline(
  clock: Clock,
  deadlineMs: number,
  what: string,
): <T>(ask: () => Promise<T>) => Promise<T> {
  let first: Waiting | undefined
  let last: Waiting | undefined
  let timer: Timer | undefined

  const arm = (now: number): void => {
    if (first === undefined || timer !== undefined) return
    timer = clock.setTimeout(expire, Math.max(0, first.endAt - now), { keepAlive: true })
  }

  /** After a time in which the process was busy, answers may be there that nobody has heard of: they are heard first. */
  const expire = (): void => {
    const lateMs = clock.monotonic() - (first?.endAt ?? Infinity)
    if (lateMs > busyMs) timer = clock.setTimeout(giveUp, 0, { keepAlive: true })
    else giveUp()
  }

  const giveUp = (): void => {
    timer = undefined
    const now = clock.monotonic()
    while (first !== undefined && first.endAt <= now) first.giveUp()
    arm(now)
  }

  const enter = (entry: Waiting): void => {
    entry.before = last
    if (last === undefined) first = entry
    else last.after = entry
    last = entry
    arm(clock.monotonic())
  }

  /** Whether it waited until now. */
  const leave = (entry: Waiting): boolean => {
    if (!entry.waits) return false
    const { before, after } = entry
    if (before === undefined) first = after
    else before.after = after
    if (after === undefined) last = before
    else after.before = before
    entry.waits = false
    if (first === undefined && timer !== undefined) {
      clock.clearTimeout(timer)
      timer = undefined
    }
    return true
  }

  return (ask) =>
    new Promise((resolve, reject) => {
      const entry: Waiting = {
        endAt: clock.monotonic() + deadlineMs,
        giveUp: () => leave(entry) && reject(new TimeoutError(what, deadlineMs)),
        before: undefined,
        after: undefined,
        waits: true,
      }
      enter(entry)
      ask().then(
        (answer) => leave(entry) && resolve(answer),
        (error: unknown) => leave(entry) && reject(error),
      )
    })
}
