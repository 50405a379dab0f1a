import { setTimeout as pause } from 'node:timers/promises'
import type { ChaosFleet, Unit } from './chaos-fleet.ts'

/** Something that goes wrong, and is mended after a while. */
interface Fault {
  begin(fleet: ChaosFleet, unit: Unit): Promise<void> | void
  end(fleet: ChaosFleet, unit: Unit): Promise<void> | void
}

const wireFaults = (wire: 'nats' | 'redis'): Readonly<Record<string, Fault>> => ({
  [`${wire}: partition`]: {
    begin(_fleet, unit) {
      unit[wire].accept(false)
      unit[wire].cut()
    },
    end: (_fleet, unit) => unit[wire].accept(true),
  },
  [`${wire}: cut one way`]: {
    begin: (_fleet, unit) => unit[wire].hold('toClient'),
    end: (_fleet, unit) => unit[wire].release('toClient'),
  },
  [`${wire}: lost acknowledgements`]: {
    begin: (_fleet, unit) => unit[wire].lose('toClient'),
    end: (_fleet, unit) => unit[wire].cut(),
  },
  [`${wire}: reset`]: { begin: (_fleet, unit) => unit[wire].cut(), end: () => {} },
  [`${wire}: delay`]: {
    begin: (_fleet, unit) => unit[wire].delay('toClient', 150),
    end: (_fleet, unit) => unit[wire].delay('toClient', 0),
  },
})

/** What can go wrong, by its name. The fault of a server is one for all; what the unit is does not matter then. */
export const faults: Readonly<Record<string, Fault>> = {
  'instance: kill -9': { begin: (_fleet, unit) => unit.kill(), end: (_fleet, unit) => unit.start() },
  'instance: freeze': {
    begin: (_fleet, unit) => unit.signal('SIGSTOP'),
    end: (_fleet, unit) => unit.signal('SIGCONT'),
  },
  'nats: kill -9': { begin: ({ nats }) => nats.kill(), end: ({ nats }) => nats.start() },
  'nats: freeze': { begin: ({ nats }) => nats.freeze(), end: ({ nats }) => nats.thaw() },
  'redis: kill -9': { begin: ({ redis }) => redis.kill(), end: ({ redis }) => redis.start() },
  'redis: freeze': { begin: ({ redis }) => redis.freeze(), end: ({ redis }) => redis.thaw() },
  ...wireFaults('nats'),
  ...wireFaults('redis'),
}

/**
 * Injects so many faults, one after the other, every kind in turn, with whom and for how long by chance; the dependency
 * goes down and up meanwhile. Gives how many there were by kind.
 */
export async function injectFaults(
  fleet: ChaosFleet,
  count: number,
  chance: () => number,
): Promise<ReadonlyMap<string, number>> {
  const injected = new Map<string, number>()
  const names = shuffled(Object.keys(faults), chance)
  for (let n = 0; n < count; n++) {
    const name = names[n % names.length] ?? ''
    const unit = fleet.units[Math.floor(chance() * fleet.units.length)]
    const fault = faults[name]
    if (unit === undefined || fault === undefined) throw new Error('there is nothing to break')
    fleet.dependency.behave((['fails', 'works', 'hangs', 'works'] as const)[n % 4] ?? 'works')
    await fault.begin(fleet, unit)
    // How long a fault lasts is part of it: there is no condition to wait for.
    await pause(400 + chance() * 1_200)
    await fault.end(fleet, unit)
    await pause(200 + chance() * 600)
    injected.set(name, (injected.get(name) ?? 0) + 1)
  }
  fleet.dependency.behave('works')
  return injected
}

function shuffled(names: readonly string[], chance: () => number): readonly string[] {
  return names
    .map((name) => ({ name, at: chance() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ name }) => name)
}
