import { setTimeout as sleep } from 'node:timers/promises'
import type { Breaker } from '../../src/streams/breaker.ts'
import type { Switchgear } from '../../src/switchgear.ts'

/** What each instance calls: something sound, something dead that is probed often, and so on. */
export const breakerNames = ['sound', 'dead', 'shut', 'ordered', 'smtp', 'lasting'] as const
export type BreakerName = (typeof breakerNames)[number]

/** How long calls took from `run` to their settling. */
export interface Tally {
  calls: number
  slowestMs: number
}

/**
 * Calls apart that may wait for the log: those that find the recovery time over may have to claim the fleet's probe. All
 * others wait for nothing.
 */
export interface Waits {
  readonly plain: Tally
  readonly claiming: Tally
}

export interface Load {
  /** From now on this instance gets no answer there, or does again. `dead` and `shut` never answer anybody. */
  break(name: BreakerName, instance: string): void
  mend(name?: BreakerName, instance?: string): void
  /** Until this is over, probes of `smtp` have no result. */
  hold(until: Promise<void>): void
  /** Calls that reached a dependency without being the probe, though the breaker was not closed. */
  readonly leaks: readonly string[]
  /** Probes that reached `smtp`, by instance. */
  readonly probes: readonly string[]
  /** What the calls since `restart` took, with NATS and without. */
  readonly waits: { readonly withNats: Waits; readonly without: Waits }
  /** Measures from now on: after what the fleet was built with. */
  restart(): void
  stop(): Promise<void>
}

const everyMs = 20
/** How long a dependency takes to answer, or to fail. */
const answerMs = 5
/** A call that comes this short before the recovery time is over may find it over. */
const nearMs = 5

/**
 * Calls everything through every instance, 50 times a second. The instances with NATS and those without are called in
 * turn within one tick, and wait for the same answer: whatever holds up this process holds up both.
 */
export function startLoad(withNats: readonly Switchgear[], without: readonly Switchgear[]): Load {
  const broken = new Set<string>()
  let held = Promise.resolve()
  const leaks: string[] = []
  const probes: string[] = []
  const underWay = new Set<Promise<void>>()
  let waits = { withNats: noWaits(), without: noWaits() }
  let stopped = false
  const all = breakerNames.flatMap((name) => [...without, ...withNats].map((gear) => ({ name, gear })))
  const running = run()

  return {
    break: (name, instance) => void broken.add(`${name} of ${instance}`),
    mend(name, instance) {
      if (name === undefined) broken.clear()
      else broken.delete(`${name} of ${instance}`)
    },
    hold: (over) => void (held = over),
    leaks,
    probes,
    get waits() {
      return waits
    },
    restart: () => void (waits = { withNats: noWaits(), without: noWaits() }),
    async stop() {
      stopped = true
      await running
      await Promise.all(underWay)
    },
  }

  async function run(): Promise<void> {
    for (let tick = 0; !stopped; tick++) {
      const answer = sleep(answerMs)
      for (let n = 0; n < all.length; n++) {
        const next = all[(n + tick) % all.length]
        if (next === undefined) continue
        const made = call(next.gear, next.name, answer).then(() => void underWay.delete(made))
        underWay.add(made)
      }
      await sleep(everyMs)
    }
  }

  async function call(gear: Switchgear, name: BreakerName, answer: Promise<void>): Promise<void> {
    const breaker = gear.breaker(name)
    const { plain, claiming } = without.includes(gear) ? waits.without : waits.withNats
    const tally = mayClaim(breaker) ? claiming : plain
    const begunAt = performance.now()
    await breaker.run(({ probe }) => reach(gear, breaker, probe !== undefined, answer)).catch(() => {})
    tally.calls += 1
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - begunAt)
  }

  async function reach(gear: Switchgear, breaker: Breaker, isProbe: boolean, answer: Promise<void>): Promise<void> {
    const { mode } = breaker.state
    if (isProbe && breaker.name === 'smtp') {
      probes.push(gear.instance)
      await held
    }
    if (!isProbe && mode !== 'closed') leaks.push(`${gear.instance} called ${breaker.name}, which was ${mode}`)
    await answer
    const isDead = breaker.name === 'dead' || breaker.name === 'shut'
    if (isDead || broken.has(`${breaker.name} of ${gear.instance}`)) throw new Error('no answer')
  }
}

function mayClaim(breaker: Breaker): boolean {
  const forMs = breaker.refusedForMs()
  if (forMs === undefined) return breaker.state.mode !== 'closed'
  // 0: it has claimed the probe already, and this call is refused.
  return forMs > 0 && forMs < nearMs
}

function noWaits(): Waits {
  return { plain: { calls: 0, slowestMs: 0 }, claiming: { calls: 0, slowestMs: 0 } }
}
