import type { BreakerOptions } from '../../machines/breaker-options.ts'
import { sleepOn, type Clock, type Timer } from '../../ports/clock.ts'
import type { EventLog, LogFollower } from '../../ports/event-log.ts'
import type { Random } from '../../ports/random.ts'
import { testedInstance, type TestedInstance } from '../fleet-of-breakers.ts'
import { skewedClock } from '../skewed-clock.ts'

export interface ProcessOptions {
  readonly name: string
  readonly clock: Clock
  readonly log: EventLog
  readonly random: Random
  readonly options: BreakerOptions
  readonly epoch: () => number
  readonly offsetMs: number
  /** 1 for a true clock. */
  readonly rate: number
  /** Its gate may have changed. */
  readonly changed: () => void
}

/** An instance in a process that can stand still, whose wall clock can jump. */
export interface Process {
  readonly instance: TestedInstance
  readonly paused: boolean
  /** Nothing happens in it, until it goes on: then everything that was due meanwhile does. */
  pause(): void
  goOn(): void
  stepClock(ms: number): void
}

export function startProcess(options: ProcessOptions): Process {
  const { name, clock, log, random, epoch, changed } = options
  let held: (() => void)[] | undefined
  let steppedMs = 0
  const whenAwake = (run: () => void): void => {
    if (held === undefined) run()
    else held.push(run)
  }
  const skewed = skewedClock(clock, options)
  const start = (run: () => void, delayMs: number): Timer => skewed.setTimeout(() => whenAwake(run), delayMs)
  const own: Clock = {
    ...skewed,
    now: () => skewed.now() + steppedMs,
    setTimeout: start,
    sleep: (delayMs, { signal } = {}) => sleepOn((run) => start(run, delayMs), skewed.clearTimeout, signal),
  }
  const instance = testedInstance(name, own, {
    random,
    options: options.options,
    log: awakeOnly(log, whenAwake),
    now: clock.monotonic,
    epoch,
    changed,
  })
  return {
    instance,
    get paused() {
      return held !== undefined
    },
    pause() {
      held ??= []
    },
    goOn() {
      const due = held ?? []
      held = undefined
      for (const run of due) run()
    },
    stepClock(ms) {
      steppedMs += ms
    },
  }
}

/** A log whose followers hear, and whose appends are answered, only while their process runs. */
function awakeOnly(log: EventLog, whenAwake: (run: () => void) => void): EventLog {
  const awake = (): Promise<void> => new Promise((resolve) => whenAwake(resolve))
  const hearing = (follower: LogFollower): LogFollower => ({
    onLink: (link) => whenAwake(() => follower.onLink(link)),
    onPreview: (message) => whenAwake(() => follower.onPreview(message)),
    onMessage: (message) => whenAwake(() => follower.onMessage(message)),
  })
  return {
    join(member, follower) {
      const membership = log.join(member, hearing(follower))
      return {
        ...membership,
        async append(message) {
          try {
            return await membership.append(message)
          } finally {
            await awake()
          }
        },
      }
    },
  }
}
