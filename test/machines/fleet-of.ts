import { createSwitchgear, memoryLog, type Switchgear, type SwitchgearOptions, type Transition } from 'switchgear'
import { seededRandom, virtualClock, type VirtualClock } from 'switchgear/testing'
import { onTestFinished } from 'vitest'

export const ok = (): Promise<string> => Promise.resolve('ok')
export const fail = (): Promise<never> => Promise.reject(new Error('down'))
export const hang = (): Promise<never> => new Promise<never>(() => {})

/** Instances that share one log, on one clock that stands still until a test lets time pass. */
export interface Fleet {
  readonly clock: VirtualClock
  readonly gears: readonly Switchgear[]
  /** What each instance saw happen, in order. */
  readonly seen: readonly (readonly Transition[])[]
}

interface FleetOptions extends Omit<SwitchgearOptions, 'clock' | 'random' | 'log' | 'instance'> {
  readonly seed?: number
  readonly latencyMs?: { readonly min: number; readonly max: number }
}

/** A fleet of `instances`, linked, named a, b, c, …; closed when the test is over. */
export async function fleetOf(instances: number, options: FleetOptions = {}): Promise<Fleet> {
  const { seed = 1, latencyMs, ...rest } = options
  const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
  const random = seededRandom(seed)
  const log = memoryLog({ clock, random, ...(latencyMs && { latencyMs }) })
  const names = Array.from({ length: instances }, (_, at) => String.fromCodePoint(97 + at))
  const gears = names.map((instance) => createSwitchgear({ ...rest, clock, random, log, instance }))
  const seen = gears.map((gear) => {
    const transitions: Transition[] = []
    gear.transitions$.subscribe((transition) => transitions.push(transition))
    return transitions
  })
  onTestFinished(async () => {
    await Promise.all(gears.map((gear) => gear.close()))
  })
  await clock.runUntil(Promise.all(gears.map((gear) => gear.ready())))
  return { clock, gears, seen }
}

/** One instance by itself. */
export async function oneInstance(
  options: FleetOptions = {},
): Promise<{ readonly clock: VirtualClock; readonly gear: Switchgear; readonly seen: readonly Transition[] }> {
  const { clock, gears, seen } = await fleetOf(1, options)
  return { clock, gear: nth(gears, 0), seen: nth(seen, 0) }
}

/** The element at `at`, which must be there. */
export function nth<T>(all: readonly T[], at: number): T {
  const found = all[at]
  if (found === undefined) throw new Error(`there is no element ${at} of ${all.length}`)
  return found
}

/** Everything of an iterable. */
export async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
