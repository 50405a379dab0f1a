import * as fc from 'fast-check'
import { memoryLimiter } from '../../adapters/memory/limiter.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Decision, LimitDefinition, Limiter, Limits } from '../../ports/limiter.ts'
import { virtualClock } from '../virtual-clock.ts'

/** What one request asks for. */
export type Request = readonly { readonly name: string; readonly cost: number }[]

/** Requests of one key, each some time after the one before it. */
export interface LimiterScenario {
  readonly limits: Limits
  readonly steps: readonly { readonly afterMs: number; readonly request: Request }[]
}

/** Small limits, which are reached, on both sides of where they stop being exact to the ms. */
export const anyLimits: fc.Arbitrary<Limits> = fc.dictionary(
  fc.constantFrom('alerts', 'email', 'slack', '__proto__x'),
  fc.record({
    limit: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 12 }) }, fc.integer({ min: 99, max: 130 })),
    windowMs: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 60, max: 60_000 })),
  }),
  { minKeys: 1, maxKeys: 3 },
)

export function scenariosFor(limits: fc.Arbitrary<Limits>): fc.Arbitrary<LimiterScenario> {
  return limits.chain((of) =>
    fc.record({
      limits: fc.constant(of),
      steps: fc.array(fc.record({ afterMs: pauses(of), request: requests(of) }), {
        minLength: 1,
        maxLength: 40,
        size: 'max',
      }),
    }),
  )
}

/** From none to a little more than a window: bursts, trickles, and the edges of windows. */
function pauses(limits: Limits): fc.Arbitrary<number> {
  const edges = Object.values(limits).map(({ windowMs }) => windowMs)
  const parts = fc.tuple(fc.constantFrom(...edges), fc.double({ min: 0, max: 1.1, noNaN: true }))
  return fc
    .oneof(
      { weight: 5, arbitrary: fc.constant(0) },
      { weight: 2, arbitrary: fc.double({ min: 0, max: 20, noNaN: true }) },
      parts.map(([ms, part]) => ms * part),
      // At the end of a window, and within the last part of it that is counted as one.
      fc.constantFrom(...edges.flatMap((ms) => [ms, (ms * 119) / 120])),
    )
    .map(exactly)
}

/** A time whose sums are exact, so that the law does not stumble over the last bit of a number. */
export function exactly(ms: number): number {
  return Math.round(ms * 64) / 64
}

function requests(limits: Limits): fc.Arbitrary<Request> {
  const one = fc.constantFrom(...Object.entries(limits)).chain(([name, { limit }]) => {
    const large = fc.integer({ min: 1, max: limit + 1 })
    return fc.record({ name: fc.constant(name), cost: fc.oneof(fc.integer({ min: 1, max: 3 }), large) })
  })
  return fc.array(one, { minLength: 1, maxLength: 3 })
}

/** A limiter whose clock the law sets, so that it may step back too. */
export interface SetLimiter {
  readonly limiter: Limiter
  now: number
}

export function limiterOf(limits: Limits): SetLimiter {
  const time = { now: 1_000_000 }
  const clock: Clock = { ...virtualClock(), now: () => time.now, monotonic: () => time.now }
  return Object.assign(time, { limiter: memoryLimiter({ limits, clock }) })
}

/** What a request costs, by name. */
export function costsOf(request: Request): ReadonlyMap<string, number> {
  const costs = new Map<string, number>()
  for (const { name, cost } of request) costs.set(name, (costs.get(name) ?? 0) + cost)
  return costs
}

/** Everything that was granted: what is too simple to be wrong. */
export class GrantLog {
  readonly #grants: { readonly name: string; readonly at: number; readonly cost: number }[] = []

  /** At this time, or at that of the last grant under the same name if the clock has stepped back since. */
  add(request: Request, now: number): void {
    for (const [name, cost] of costsOf(request)) {
      const last = this.#grants.findLast((grant) => grant.name === name)
      this.#grants.push({ name, at: Math.max(now, last?.at ?? now), cost })
    }
  }

  /** The most that was granted under a name in any interval of its window's length; it ends at some grant. */
  most(name: string, { windowMs }: LimitDefinition): number {
    const own = this.#grants.filter((grant) => grant.name === name)
    const sumBefore = (end: number): number =>
      own.reduce((sum, { at, cost }) => (at <= end && end < at + windowMs ? sum + cost : sum), 0)
    return Math.max(0, ...own.map(({ at }) => sumBefore(at)))
  }
}

/** What is left, by name. */
export function remainingOf({ limits }: Decision): Readonly<Record<string, number>> {
  return Object.fromEntries(limits.map(({ name, remaining }) => [name, remaining]))
}
