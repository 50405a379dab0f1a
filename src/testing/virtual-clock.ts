import { ConfigError } from '../kernel/errors.ts'
import { type Clock, sleepOn, type Timer } from '../ports/clock.ts'
import { timerQueue, type VirtualTimer } from './timer-queue.ts'

/** Node takes longer delays for 1 ms; so does this clock, so that the mistake shows. */
const delayMsMax = 2 ** 31 - 1

/** Turns of the event loop after which a clock that is still being used is taken to be busy for ever. */
const turnsMax = 1_000

/** The real one, also where a test runner's fake timers replace the global later. */
const nextTurn = setImmediate

export interface VirtualClock extends Clock {
  /** Timers that were started and have neither fired nor been cleared. */
  readonly pendingTimers: number
  /**
   * Lets `ms` pass: fires the timers that are due in the order of their time, then of their creation, those that are
   * created meanwhile included, and lets promises settle before the first, after each, and at the end. Further calls
   * wait for the one under way. Rejects with what a timer's callback throws, at that moment.
   * @throws ConfigError for a number of ms that is negative or not finite
   */
  advanceBy(ms: number): Promise<void>
  /**
   * Lets time pass, from timer to timer, until `promise` settles, and settles like it. Rejects when it is still pending
   * and no timer is left, or when `limitMs` (default: a year) have passed.
   */
  runUntil<T>(promise: Promise<T>, options?: { readonly limitMs?: number }): Promise<T>
  /** Lets promises settle, and no time pass. */
  settle(): Promise<void>
}

/**
 * A clock that stands still until it is told to advance. `now()` starts at `startAt` (ms since the epoch, default 0),
 * `monotonic()` at 0.
 *
 * Settling means: two whole turns of the event loop (`setImmediate`), in each of which a chain of promises and
 * `process.nextTick`s of any length runs to its end, and then further turns for as long as timers are being started or
 * cleared. It does not wait for sockets, files or workers: what waits for those has to be awaited itself.
 */
export function virtualClock(options: { readonly startAt?: number } = {}): VirtualClock {
  const startAt = options.startAt ?? 0
  if (!Number.isFinite(startAt))
    throw new ConfigError('startAt', `expected a finite number (given: ${String(startAt)})`)
  const queue = timerQueue()
  let elapsedMs = 0
  let tail: Promise<unknown> = Promise.resolve()

  function fireNext(dueMs: number): boolean {
    const timer = queue.takeUntil(dueMs)
    if (timer === undefined) return false
    elapsedMs = Math.max(elapsedMs, timer.dueMs)
    timer.run()
    return true
  }

  async function settle(): Promise<void> {
    let uses = -1
    for (let turn = 0; turn < 2 || (uses !== queue.uses && turn < turnsMax); turn += 1) {
      uses = queue.uses
      await new Promise<void>((resolve) => nextTurn(resolve))
    }
  }

  async function advance(ms: number): Promise<void> {
    const untilMs = elapsedMs + ms
    do await settle()
    while (fireNext(untilMs))
    elapsedMs = Math.max(elapsedMs, untilMs)
  }

  async function run(limitMs: number, isDone: () => boolean): Promise<void> {
    const untilMs = elapsedMs + limitMs
    await settle()
    while (!isDone()) {
      if (!fireNext(untilMs)) {
        const why = queue.size === 0 ? 'no timer is left' : `${limitMs} ms have passed`
        throw new Error(`virtual clock: the promise is still pending, and ${why} (at ${elapsedMs} ms)`)
      }
      await settle()
    }
  }

  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = tail.then(step)
    tail = done.catch(() => {})
    return done
  }

  const start = (callback: () => void, delayMs: number): VirtualTimer =>
    queue.add(callback, elapsedMs + asDelay(delayMs))
  const clearTimeout = (timer: Timer) => queue.remove(timer)
  return {
    now: () => startAt + elapsedMs,
    monotonic: () => elapsedMs,
    setTimeout: start,
    clearTimeout,
    sleep: (delayMs, { signal } = {}) => sleepOn((resume) => start(resume, delayMs), clearTimeout, signal),
    get pendingTimers() {
      return queue.size
    },
    advanceBy(ms) {
      if (ms >= 0 && Number.isFinite(ms)) return inTurn(() => advance(ms))
      return Promise.reject(new ConfigError('ms', `expected 0 or more, and finite (given: ${String(ms)})`))
    },
    runUntil(promise, { limitMs = 366 * 86_400_000 } = {}) {
      let isDone = false
      const settled = () => {
        isDone = true
      }
      promise.then(settled, settled)
      return inTurn(() => run(limitMs, () => isDone)).then(() => promise)
    },
    settle: () => inTurn(settle),
  }
}

function asDelay(delayMs: number): number {
  if (delayMs > delayMsMax) return 1
  return delayMs > 0 ? delayMs : 0
}
