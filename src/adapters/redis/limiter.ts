import { UnavailableError } from '../../kernel/errors.ts'
import { makeDecision } from '../../ports/decision.ts'
import type { Decision, LimitDefinition, LimitNames, LimitState, LimitStore } from '../../ports/limiter.ts'
import { type AskedLimit, checkKey, readNames, readNamesToForget, readOverrides } from '../../ports/limits.ts'
import type { RedisClient, RedisConnection } from './connection.ts'
import { inKey, organizationKey } from './keys.ts'
import { checkScript, overrideScript, refundScript, type Script } from './limit-scripts.ts'

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
  const bookings = new WeakMap<Decision, Booking>()
  const parts = new Map([...limits.keys()].map((name) => [name, inKey(name)]))
  const prefixOf = (key: string): string => organizationKey(fleet, 'rl', checkKey(key), '')
  /** No limit has an empty name, nor a colon that is not encoded. */
  const overridesOf = (prefix: string): string => `${prefix}:overrides`

  const decide = async (key: string, names: LimitNames, books: boolean): Promise<Decision> => {
    const asked = readNames(names, limits)
    const prefix = prefixOf(key)
    const keys = asked.map(({ name }) => prefix + parts.get(name))
    const args: Argument[] = [books ? 1 : 0]
    for (const { name, cost, definition } of asked) args.push(name, definition.limit, definition.windowMs, cost)
    const standings = readReply(await run(connection, check, [...keys, overridesOf(prefix)], args), asked)
    const decision = decisionOf(standings)
    if (books && decision.allowed) bookings.set(decision, { keys, standings })
    return decision
  }

  return {
    check: (key, names) => decide(key, names, true),
    peek: (key, names) => decide(key, names, false),
    async refund(decision) {
      const booking = bookings.get(decision)
      if (booking === undefined) return
      bookings.delete(decision)
      const args = booking.standings.flatMap(({ untilAt, cost }) => [untilAt, cost])
      await run(connection, refundScript, booking.keys, args)
    },
    async reset(key, names) {
      const prefix = prefixOf(key)
      const keys = readNamesToForget(names, limits).map((name) => prefix + parts.get(name))
      await ask(connection, (client) => client.del(keys))
    },
    async override(key, given) {
      const keys = [overridesOf(prefixOf(key))]
      const args = readOverrides(given, limits).flatMap(([name, of]) => [name, of?.limit ?? 0, of?.windowMs ?? 0])
      await run(connection, overrideScript, keys, args)
    },
    close: async () => connection.close(),
  }
}

interface Booking {
  readonly keys: readonly string[]
  readonly standings: readonly Standing[]
}

interface Standing extends LimitState {
  readonly cost: number
  readonly waitMs: number
  readonly untilAt: number
}

const factsALimit = 6

function readReply(reply: unknown, asked: readonly AskedLimit[]): readonly Standing[] {
  if (!isNumbers(reply) || reply.length !== asked.length * factsALimit)
    throw new UnavailableError('Redis', 'the script of the limiter gave another answer than it can')
  return asked.map(({ name, cost }, index) => {
    const [limit = 0, windowMs = 0, remaining = 0, resetMs = 0, wait = 0, untilAt = 0] = reply.slice(
      index * factsALimit,
    )
    const waitMs = wait < 0 ? Infinity : wait
    return { name, limit, windowMs, remaining, resetMs, exceeded: waitMs > 0, cost, waitMs, untilAt }
  })
}

function isNumbers(reply: unknown): reply is readonly number[] {
  return Array.isArray(reply) && reply.every((each) => typeof each === 'number')
}

function decisionOf(standings: readonly Standing[]): Decision {
  const retryAfterMs = Math.max(...standings.map(({ waitMs }) => waitMs))
  const limits = standings.map(({ cost: _cost, waitMs: _waitMs, untilAt: _untilAt, ...state }) => state)
  return makeDecision({ allowed: retryAfterMs === 0, degraded: false, retryAfterMs, limits })
}

type Argument = string | number

function run(
  connection: RedisConnection,
  { sha, source }: Script,
  keys: readonly string[],
  args: readonly Argument[],
): Promise<unknown> {
  return ask(connection, (client) =>
    client.evalsha(sha, keys.length, ...keys, ...args).catch((error: unknown) => {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return client.eval(source, keys.length, ...keys, ...args)
    }),
  )
}

/** @throws UnavailableError whatever Redis, or its client, says against it */
async function ask<T>(connection: RedisConnection, command: (client: RedisClient) => Promise<T>): Promise<T> {
  try {
    const client = connection.client()
    return await command(client instanceof Promise ? await client : client)
  } catch (error) {
    if (error instanceof UnavailableError) throw error
    throw new UnavailableError('Redis', error instanceof Error ? error.message : String(error), { cause: error })
  }
}
