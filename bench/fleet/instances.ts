import { createSwitchgear, type BreakerOptions, type Switchgear } from 'switchgear'
import { natsLog } from 'switchgear/nats'

/** So many instances of a fleet, each with a connection of its own, all linked. */
export async function linkedInstances(
  servers: string,
  fleet: string,
  count: number,
  options: BreakerOptions = {},
): Promise<readonly Switchgear[]> {
  const gears: Switchgear[] = []
  for (let n = 0; n < count; n++) {
    const gear = createSwitchgear({
      fleet,
      instance: `i${n}`,
      log: natsLog({ servers }),
      breakers: { default: options },
    })
    gears.push(gear)
    // One makes the streams; the others come in tens, so that the server is not asked for all at once.
    if (n === 0 || n % 10 === 9) await gear.ready({ deadlineMs: 60_000 })
  }
  await Promise.all(gears.map((gear) => gear.ready({ deadlineMs: 60_000 })))
  return gears
}

export async function closeAll(gears: readonly Switchgear[]): Promise<void> {
  await Promise.all(gears.map((gear) => gear.close()))
}

/** Resolves when all of them have been at this, once each. */
export function countdown(from: number): { readonly done: Promise<void>; readonly tick: () => void } {
  let left = from
  let finish = (): void => {}
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  return {
    done,
    tick() {
      if (--left === 0) finish()
    },
  }
}
