import { createSwitchgear, type BreakerOptions, type Switchgear } from 'switchgear'
import { natsLog } from 'switchgear/nats'

/** Instances of a fleet in this process, for a command to look at. */
export interface Fleet {
  readonly gears: readonly Switchgear[]
  /** Makes the first instance's breaker trip, and waits until the fleet has it open. */
  trip(breaker: string): Promise<void>
  close(): Promise<void>
}

const options: BreakerOptions = { failureThreshold: 5, recoveryTimeoutMs: 600_000, recoveryBackoff: { jitter: 'none' } }

/** Linked, and with the streams made, when this resolves. */
export async function startFleet(url: string, fleet: string, instances: number = 1): Promise<Fleet> {
  const gears = Array.from({ length: instances }, (_, i) =>
    createSwitchgear({
      fleet,
      instance: `worker-${i + 1}`,
      log: natsLog({ servers: url, manage: true, heartbeatMs: 200 }),
      breakers: { default: options },
    }),
  )
  const close = async (): Promise<void> => {
    await Promise.all(gears.map((gear) => gear.close()))
  }
  await Promise.all(gears.map((gear) => gear.ready({ deadlineMs: 60_000 })))
  const [first] = gears
  if (first === undefined) throw new Error('a fleet has an instance')
  return { gears, trip: (breaker) => trip(first, breaker), close }
}

async function trip(gear: Switchgear, name: string): Promise<void> {
  const breaker = gear.breaker(name)
  const opened = untilMode(gear, name, 'open')
  for (let call = 0; call < 5; call++) await breaker.run(() => Promise.reject(new Error('down'))).catch(() => {})
  await opened
}

/** Resolves when the fleet, and not this instance alone, has the breaker in this mode. */
export function untilMode(gear: Switchgear, name: string, mode: string): Promise<void> {
  return new Promise((resolve) => {
    const watching = gear.transitions$.subscribe(({ breaker, to, scope }) => {
      if (breaker !== name || to !== mode || scope !== 'fleet') return
      queueMicrotask(() => watching.unsubscribe())
      resolve()
    })
  })
}
