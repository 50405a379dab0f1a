import { z } from 'zod'
import { OverCapacityError } from '../../kernel/errors.ts'
import { count, parseOptions } from '../../kernel/options.ts'
import { type Clock, isClock, systemClock } from '../../ports/clock.ts'
import { bookingsOf, tellDecision } from '../../ports/decision.ts'
import { limitUsage } from '../../ports/limit-usage.ts'
import { addUses, type LimitUse } from '../../ports/limit-use.ts'
import type { Decision, LimitDefinition, Limiter, Limits, LimitStore } from '../../ports/limiter.ts'
import {
  type AskedLimit,
  checkKey,
  checkLimits,
  defaultLimits,
  readNames,
  readNamesToForget,
  readOverrides,
} from '../../ports/limits.ts'
import { isRandom, type Random } from '../../ports/random.ts'
import { suggestLimits } from '../../ports/suggest-limits.ts'
import { at, book, countsUntil, emptyWindow, giveBack, look, type WindowState } from '../../ports/sliding-window.ts'

export interface MemoryLimiterOptions {
  /** Limits by name; `defaultLimits`. */
  readonly limits?: Limits | undefined
  /** Keys that may have something granted at once; a request of one more rejects with `OverCapacityError`. 100,000. */
  readonly keysMax?: number | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

export const memoryLimiterDefaults: { readonly keysMax: number } = Object.freeze({ keysMax: 100_000 })

/**
 * Rate limits in the memory of this process: for one instance alone, and for tests. Exact up to a limit of 100; above, a
 * grant counts up to a sixtieth of the window too long. It has no timers: what is over is dropped when it is next asked.
 * @throws ConfigError
 */
export function memoryLimiter(options: MemoryLimiterOptions = {}): Limiter {
  const windows = memoryWindows(options)
  return {
    ...windows,
    async check(key, names) {
      const decision = await windows.check(key, names)
      tellDecision(key, decision)
      return decision
    },
    async refund(decision) {
      await windows.refund(decision)
    },
  }
}

/** The same for a limiter that decides with it, and tells by itself what was decided. @throws ConfigError */
export function memoryWindows(options: MemoryLimiterOptions = {}): LimitStore & Pick<Limiter, 'suggest'> {
  const given = parseOptions(schema, options, 'memoryLimiter')
  const { clock = systemClock, keysMax = memoryLimiterDefaults.keysMax } = given
  const limits = checkLimits(given.limits ?? defaultLimits)
  const windows = newWindows(keysMax)
  const overrides = new Map<string, Map<string, LimitDefinition>>()
  const sinceAt = clock.now()
  const usage = limitUsage(sinceAt)
  const used = new Map<string, LimitUse>()
  const bookings = bookingsOf<Booking>()

  const decide = (key: string, names: Parameters<Limiter['check']>[1], books: boolean): Decision => {
    checkKey(key)
    const now = clock.monotonic()
    const own = overrides.get(key)
    const asked = readNames(names, limits)
    const seen = asked.map((each) => {
      const definition = own?.get(each.name) ?? each.definition
      return lookAt(windows.get(key, each.name), { ...each, definition }, now)
    })
    const waitMs = Math.max(...seen.map((each) => each.waitMs))
    const booked = books && waitMs === 0
    const after = booked ? seen.map(bookIn) : seen
    if (booked || seen.some((each) => each.believed)) windows.set(key, after, now)
    const facts = { allowed: waitMs === 0, degraded: false, retryAfterMs: waitMs, limits: after.map(stateOf) }
    const decision = bookings.make(facts, booked ? { key, grants: after.map(grantOf) } : undefined)
    if (books) usage.record(key, asked, decision, now)
    return decision
  }

  return {
    check: async (key, names) => decide(key, names, true),
    peek: async (key, names) => decide(key, names, false),
    refund: async (decision) => {
      const booking = bookings.take(decision)
      if (booking !== undefined) windows.giveBack(booking)
      return booking?.key
    },
    reset: async (key, names) => windows.forget(checkKey(key), readNamesToForget(names, limits)),
    override: async (key, given) => {
      const own = new Map(overrides.get(checkKey(key)))
      for (const [name, definition] of readOverrides(given, limits)) {
        if (definition === null) own.delete(name)
        else own.set(name, definition)
      }
      if (own.size === 0) overrides.delete(key)
      else if (overrides.has(key) || overrides.size < keysMax) overrides.set(key, own)
      else throw new OverCapacityError('overrides of limits in memory', 'keysMax', keysMax)
    },
    suggest: async () => {
      addUses(used, usage.take(clock.now()))
      return suggestLimits([...used.values()], { limits, scope: 'instance', sinceAt })
    },
  }
}

const schema: z.ZodType<MemoryLimiterOptions> = z.strictObject({
  limits: z
    .custom<Limits>((value) => typeof value === 'object' && value !== null, 'expected limits by name')
    .optional(),
  keysMax: count.optional(),
  clock: z.custom<Clock>(isClock, 'expected a clock').optional(),
  random: z.custom<Random>(isRandom, 'expected a source of chance').optional(),
})

interface Grant {
  readonly name: string
  readonly cost: number
  readonly since: number
  readonly untilAt: number
}

interface Booking {
  readonly key: string
  readonly grants: readonly Grant[]
}

/** A limit that is asked for, and how it stands. */
interface Seen extends AskedLimit, ReturnType<typeof look> {
  readonly state: WindowState
  /** The time as the window sees it; the clock's own, to which waits are counted, may be behind. */
  readonly now: number
  readonly wall: number
  /** The clock stepped back so far that the window went with it. */
  readonly believed: boolean
}

function lookAt(stored: WindowState, asked: AskedLimit, wall: number): Seen {
  const { state, now } = at(stored, asked.definition, wall)
  const believed = state.lastAt < stored.lastAt
  return { ...asked, state, now, wall, believed, ...look(state, asked.definition, asked.cost, wall) }
}

function bookIn(seen: Seen): Seen {
  const { definition, cost, now, wall } = seen
  const state = book(seen.state, definition, cost, now)
  return { ...seen, state, ...look(state, definition, 0, wall), waitMs: 0 }
}

function stateOf({ name, definition, remaining, resetMs, waitMs }: Seen): Decision['limits'][number] {
  return { name, limit: definition.limit, remaining, resetMs, windowMs: definition.windowMs, exceeded: waitMs > 0 }
}

function grantOf({ name, cost, definition, state, now }: Seen): Grant {
  return { name, cost, since: state.since, untilAt: countsUntil(definition, now) }
}

/** What was granted, by key and name. */
function newWindows(keysMax: number) {
  const byKey = new Map<string, Map<string, WindowState>>()
  let sweepAt = -Infinity

  /** Drops keys of which nothing counts any more, but does not look before one of them can be over. */
  const sweep = (now: number): void => {
    if (now < sweepAt) return
    sweepAt = Infinity
    for (const [key, windows] of byKey) {
      const untilAt = endOf(windows)
      if (untilAt <= now) byKey.delete(key)
      else sweepAt = Math.min(sweepAt, untilAt)
    }
  }

  return {
    get: (key: string, name: string) => byKey.get(key)?.get(name) ?? emptyWindow,
    /** @throws OverCapacityError for one key too many */
    set(key: string, seen: readonly Seen[], now: number): void {
      const isNew = !byKey.has(key)
      if (isNew && byKey.size >= keysMax) sweep(now)
      if (isNew && byKey.size >= keysMax) throw new OverCapacityError('limits in memory', 'keysMax', keysMax)
      const windows = byKey.get(key) ?? new Map<string, WindowState>()
      for (const { name, state } of seen) windows.set(name, state)
      if (isNew) sweepAt = Math.min(sweepAt, endOf(windows))
      byKey.set(key, windows)
    },
    giveBack({ key, grants }: Booking): void {
      const windows = byKey.get(key)
      if (windows === undefined) return
      for (const { name, since, untilAt, cost } of grants) {
        const state = windows.get(name)
        if (state !== undefined) windows.set(name, giveBack(state, since, untilAt, cost))
      }
    },
    forget(key: string, names: readonly string[]): void {
      const windows = byKey.get(key)
      for (const name of names) windows?.delete(name)
      if (windows?.size === 0) byKey.delete(key)
    },
  }
}

/** Until when something of a key counts. */
function endOf(windows: ReadonlyMap<string, WindowState>): number {
  return Math.max(...[...windows.values()].map(({ grants }) => grants.at(-1)?.untilAt ?? -Infinity))
}
