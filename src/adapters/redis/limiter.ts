import { UnavailableError } from '../../kernel/errors.ts'
import { type Bookings, bookingsOf } from '../../ports/decision.ts'
import type { Decision, LimitDefinition, LimitNames, LimitState, LimitStore } from '../../ports/limiter.ts'
import { type AskedLimit, checkKey, readNames, readNamesToForget, readOverrides } from '../../ports/limits.ts'
import type { RedisConnection } from './connection.ts'
import { inKey, organizationKey } from './keys.ts'
import { checkScript, overrideScript, refundScript, resetScript } from './limit-scripts.ts'
import { run, type Script } from './run-script.ts'

export interface RedisWindowsOptions {
  readonly connection: RedisConnection
  readonly fleet: string
  readonly limits: ReadonlyMap<string, LimitDefinition>
  /** The script that checks; another one only in tests. */
  readonly check?: Script | undefined
}

/**
 * Rate limits in Redis, shared by all instances, one round trip for each request. Everything rejects with
 * `UnavailableError` when Redis cannot be asked or does not answer with sense.
 */
export function redisWindows({ connection, fleet, limits, check = checkScript() }: RedisWindowsOptions): LimitStore {
  const bookings = bookingsOf<Booking>()
  const written = new Map([...limits].map(([name, definition]) => [name, writtenLimit(name, definition)]))
  const prefixOf = (key: string): string => organizationKey(fleet, 'rl', checkKey(key), '')

  const decide = async (key: string, names: LimitNames, books: boolean): Promise<Decision> => {
    const asked = readNames(names, limits)
    const prefix = prefixOf(key)
    const keys: string[] = []
    const args = [books ? '1' : '0']
    for (const { name, cost, definition } of asked) {
      const { key, facts } = written.get(name) ?? writtenLimit(name, definition)
      keys.push(prefix + key)
      args.push(...facts, String(cost))
    }
    const standings = readReply(await run(connection, check, keys, args), asked)
    return decisionOf({ key, keys, standings }, books, bookings)
  }

  return {
    check: (key, names) => decide(key, names, true),
    peek: (key, names) => decide(key, names, false),
    async refund(decision) {
      const booking = bookings.take(decision)
      if (booking === undefined) return undefined
      const args = booking.standings.flatMap(({ since, untilAt, cost }) => [since, untilAt, cost])
      await run(connection, refundScript, booking.keys, args)
      return booking.key
    },
    async reset(key, names) {
      const prefix = prefixOf(key)
      const keys = readNamesToForget(names, limits).map((name) => prefix + inKey(name))
      await run(connection, resetScript, keys, [])
    },
    async override(key, given) {
      const prefix = prefixOf(key)
      const overrides = readOverrides(given, limits)
      const keys = overrides.map(([name]) => prefix + inKey(name))
      const args = overrides.flatMap(([, of]) => [of?.limit ?? 0, of?.windowMs ?? 0])
      await run(connection, overrideScript, keys, args)
    },
    close: async () => connection.close(),
  }
}

/** A limit as the script is told of it. */
interface WrittenLimit {
  readonly key: string
  readonly facts: readonly [limit: string, windowMs: string, ttlMs: string]
}

/**
 * Its key expires a sixtieth of the window after the window, and at least a second, so that a clock that steps forth and
 * back by less forgets nothing.
 */
function writtenLimit(name: string, { limit, windowMs }: LimitDefinition): WrittenLimit {
  const ttlMs = windowMs + Math.max(1_000, Math.ceil(windowMs / 60))
  return { key: inKey(name), facts: [String(limit), String(windowMs), String(ttlMs)] }
}

interface Booking {
  readonly key: string
  readonly keys: readonly string[]
  readonly standings: readonly Standing[]
}

/** One limit, as the script says it stands. */
interface Standing {
  readonly name: string
  readonly cost: number
  readonly limit: number
  readonly windowMs: number
  readonly left: number
  readonly resetMs: number
  readonly waitMs: number
  readonly untilAt: number
  /** The base tick of the key, which tells it from others of its name, before and after. */
  readonly since: number
  /** With what was booked. */
  readonly resetAfterMs: number
}

const factsALimit = 8
const doubleBytes = 8
const ticksAMs = 100

function readReply(reply: unknown, asked: readonly AskedLimit[]): readonly Standing[] {
  if (!Buffer.isBuffer(reply) || reply.length !== asked.length * factsALimit * doubleBytes)
    throw new UnavailableError('Redis', 'the script of the limiter gave another answer than it can')
  return asked.map(({ name, cost }, index) => {
    const at = index * factsALimit * doubleBytes
    const fact = (nth: number): number => reply.readDoubleBE(at + nth * doubleBytes)
    const waitMs = fact(4) < 0 ? Infinity : fact(4)
    return {
      name,
      cost,
      limit: fact(0),
      windowMs: fact(1),
      left: fact(2),
      resetMs: Math.ceil(fact(3) / ticksAMs),
      waitMs,
      untilAt: fact(5),
      resetAfterMs: Math.ceil(fact(6) / ticksAMs),
      since: fact(7),
    }
  })
}

function decisionOf(booking: Booking, books: boolean, bookings: Bookings<Booking>): Decision {
  const { standings } = booking
  let retryAfterMs = 0
  for (const { waitMs } of standings) retryAfterMs = Math.max(retryAfterMs, waitMs)
  const allowed = retryAfterMs === 0
  const isBooked = allowed && books
  const limits = standings.map(({ name, cost, limit, windowMs, left, resetMs, waitMs, resetAfterMs }): LimitState => {
    const remaining = Math.max(0, isBooked ? left - cost : left)
    return { name, limit, remaining, resetMs: isBooked ? resetAfterMs : resetMs, windowMs, exceeded: waitMs > 0 }
  })
  return bookings.make({ allowed, degraded: false, retryAfterMs, limits }, isBooked ? booking : undefined)
}
