import { type Clock, sleepOn, type Timer } from '../../ports/clock.ts'
import { timerQueue } from '../timer-queue.ts'

/** Turns of the event loop after which a moment that still starts timers is taken to be without end. */
const turnsMax = 1_000

/** The real one, also where a test runner's fake timers replace the global later. */
const nextTurn = setImmediate

/**
 * The time of a simulated world, in whole ms, which is what lets millions of calls pass without a promise each: whoever
 * drives it moves `tick` on by itself, and asks for promises to settle only where something has happened. A timer ends
 * at the first whole ms that is not before its time, as Node's do.
 */
export interface TickClock extends Clock {
  /** Whether a timer was started or ended since all was settled, so that promises may be under way. */
  readonly isBusy: boolean
  /** Moves to this moment, and fires what is due by then; promises settle after all that is due at one moment. */
  moveTo(tick: number): Promise<void> | undefined
  /** Lets promises settle, and what they start for this very moment happen. */
  settle(): Promise<void>
}

/** `now()` begins at `startAt`, `monotonic()` at 0. */
export function tickClock(startAt: number): TickClock {
  const queue = timerQueue()
  let tick = 0
  let settledUses = 0

  const start = (run: () => void, delayMs: number): Timer =>
    queue.add(run, Math.ceil(tick + Math.max(0, delayMs) - 1e-6))
  const clearTimeout = (timer: Timer): void => queue.remove(timer)

  function fireDue(): boolean {
    let fired = false
    for (let timer = queue.takeUntil(tick); timer !== undefined; timer = queue.takeUntil(tick)) {
      fired = true
      timer.run()
    }
    return fired
  }

  async function settle(): Promise<void> {
    for (let turn = 0; turn < turnsMax; turn++) {
      settledUses = queue.uses
      await new Promise<void>((resolve) => nextTurn(resolve))
      if (!fireDue() && queue.uses === settledUses) return
    }
    throw new Error(`the simulated world is busy without end at ${tick} ms`)
  }

  return {
    now: () => startAt + tick,
    monotonic: () => tick,
    setTimeout: start,
    clearTimeout,
    sleep: (delayMs, { signal } = {}) => sleepOn((run) => start(run, delayMs), clearTimeout, signal),
    get isBusy() {
      return queue.uses !== settledUses
    },
    moveTo(to) {
      tick = to
      return fireDue() ? settle() : undefined
    },
    settle,
  }
}
