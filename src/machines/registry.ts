import { ConfigError, OverCapacityError } from '../kernel/errors.ts'
import { checkName } from '../kernel/names.ts'
import type { CircuitBreaker } from './breaker.ts'
import { breakerSettings, sameSettings, type BreakerOptions, type BreakerSettings } from './breaker-options.ts'

export interface RegistryOptions<B extends CircuitBreaker> {
  /** Options by name; `default` is for those that have none of their own. */
  readonly breakers: Readonly<Record<string, BreakerOptions>>
  readonly breakersMax: number
  create(name: string, settings: BreakerSettings): B
  /** Monotonic, in ms. */
  now(): number
}

/** The breakers of one instance, by name. */
export interface Registry<B extends CircuitBreaker> {
  readonly all: ReadonlyMap<string, B>
  /**
   * The breaker of this name; made when it is first asked for, with the given options, else those of its name, else the
   * default. @throws ConfigError for other options than it was made with; OverCapacityError when none can make room.
   */
  get(name: string, options?: BreakerOptions): B
  successor(retired: CircuitBreaker): B
}

/** A closed breaker that has counted nothing for so long, in ms, may make room with what it had counted. */
export const restingMs = 60_000
/** How many breakers are looked at to find one that can make room. */
const looksMax = 1_000

export function createRegistry<B extends CircuitBreaker>({
  breakers,
  breakersMax,
  create,
  now,
}: RegistryOptions<B>): Registry<B> {
  const all = new Map<string, B>()
  const lastSeen = new WeakMap<B, { readonly calls: number; readonly at: number }>()

  return {
    all,
    get(name, options) {
      const known = all.get(name)
      if (known === undefined) return add(checkName(name, 'breaker'), settingsOf(name, options))
      if (options !== undefined && !sameSettings(known.settings, breakerSettings(options, `breakers.${name}`))) {
        throw new ConfigError(`breakers.${name}`, 'it was made with other options before; give the same, or none')
      }
      return known
    },
    successor: ({ name, settings }) => all.get(name) ?? add(name, settings),
  }

  function settingsOf(name: string, options: BreakerOptions | undefined): BreakerSettings {
    const own = Object.hasOwn(breakers, name) ? breakers[name] : undefined
    return breakerSettings(options === undefined ? (own ?? breakers['default']) : options, `breakers.${name}`)
  }

  function add(name: string, settings: BreakerSettings): B {
    if (all.size >= breakersMax) makeRoom(name)
    const breaker = create(name, settings)
    all.set(name, breaker)
    return breaker
  }

  /** Nothing bad was counted, or nothing at all for a while. */
  function mayGo(breaker: B): boolean {
    if (breaker.idle) return true
    const calls = breaker.callsCounted
    if (calls === undefined) return false
    const seen = lastSeen.get(breaker)
    if (seen?.calls === calls) return now() - seen.at >= restingMs
    lastSeen.set(breaker, { calls, at: now() })
    return false
  }

  /** Lets go of the longest known idle one; those that were looked at in vain go to the end of the queue. */
  function makeRoom(name: string): void {
    let looks = 0
    for (const [oldest, breaker] of all) {
      all.delete(oldest)
      if (mayGo(breaker)) return breaker.retire()
      all.set(oldest, breaker)
      if (++looks >= Math.min(looksMax, breakersMax)) break
    }
    throw new OverCapacityError(`breaker "${name}"`, 'breakersMax', breakersMax)
  }
}
