import type { Clock } from '../../ports/clock.ts'
import { addUses, type LimitUse, noUse, type UsageStore } from '../../ports/limit-use.ts'
import type { RedisConnection } from './connection.ts'
import { inKey } from './keys.ts'
import { type Argument, ask, run, script } from './run-script.ts'

export interface RedisUsageOptions {
  readonly connection: RedisConnection
  readonly fleet: string
  readonly clock: Clock
}

/** Use is kept by the week: what is read is one to two weeks of it, and what is older is gone. */
const weekMs = 604_800_000
/** Fields of a week: some 120 limits that are used in every way there is. More are not recorded. */
const fieldsMax = 65_536
/** A batch whose answer was lost is told again before this is over. */
const batchTtlMs = 60_000

/**
 * What limits of a fleet are used for, in two hashes of a bounded size. A field is `<window in ms>:<name>:<what>`, `what`
 * being one of the sums, or `w` or `d` with the number of a class of demand: windows in it, and what was asked for in them.
 */
export function redisUsage({ connection, fleet, clock }: RedisUsageOptions): UsageStore {
  const keyOf = (week: number): string => `sg:${fleet}:rl:usage:{${week}}`
  return {
    async add({ id, at, uses }) {
      const week = Math.floor(at / weekMs)
      const key = keyOf(week)
      const ttlMs = Math.max(1, (week + 2) * weekMs - clock.now())
      const args = [fieldsMax, Math.ceil(ttlMs), batchTtlMs, ...uses.flatMap(changesOf)]
      await run(connection, addScript, [key, `${key}:${id}`], args)
    },
    async read() {
      const week = Math.floor(clock.now() / weekMs)
      const kept = [week - 1, week].map((each) => ask(connection, (client) => client.hgetall(keyOf(each))))
      const uses = new Map<string, LimitUse>()
      for (const fields of await Promise.all(kept)) addUses(uses, usesIn(fields))
      return [...uses.values()]
    },
  }
}

/**
 * KEYS: the hash, and what tells of the batch. ARGV: how many fields there may be, both TTLs in ms, and for each field how
 * to change it, its name and a value.
 */
const addScript = script(`
local key, room = KEYS[1], tonumber(ARGV[1])
if not redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[3]) then return 0 end
for i = 4, #ARGV, 3 do
  local how, field, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local stored = tonumber(redis.call('HGET', key, field) or nil)
  if stored or redis.call('HLEN', key) < room then
    if how == '+' then
      redis.call('HINCRBYFLOAT', key, field, value)
    elseif not stored or how == '=' or how == '<' and tonumber(value) < stored or how == '>' and tonumber(value) > stored then
      redis.call('HSET', key, field, value)
    end
  end
end
redis.call('PEXPIRE', key, ARGV[2])
return 1
`)

/** How each fact of a use goes together with what is there. */
const facts = Object.freeze({
  limit: '=',
  sinceAt: '<',
  lastAt: '>',
  asked: '+',
  refused: '+',
  overridden: '+',
  peak: '>',
} as const satisfies Partial<Record<keyof LimitUse, '=' | '<' | '>' | '+'>>)

type Fact = keyof typeof facts

function changesOf(use: LimitUse): Argument[] {
  const prefix = `${use.windowMs}:${inKey(use.name)}:`
  const changes: Argument[] = []
  for (const [fact, how] of Object.entries(facts)) changes.push(how, prefix + fact, use[fact as Fact])
  for (const [letter, classes] of [
    ['w', use.windows],
    ['d', use.demands],
  ] as const)
    classes.forEach((value, of) => value !== 0 && changes.push('+', `${prefix}${letter}${of}`, value))
  return changes
}

/** Fields that say nothing to this version are passed over. */
function usesIn(fields: Readonly<Record<string, string>>): Iterable<LimitUse> {
  const uses = new Map<string, Mutable<LimitUse>>()
  for (const [field, text] of Object.entries(fields)) {
    const [, windowMs, name, what = ''] = /^(\d+):([^:]+):(\w+)$/.exec(field) ?? []
    const value = Number(text)
    if (windowMs === undefined || name === undefined || !Number.isFinite(value)) continue
    const id = `${windowMs}:${name}`
    const use: Mutable<LimitUse> = uses.get(id) ?? noUse(nameOf(name), { limit: 1, windowMs: Number(windowMs) }, 0)
    uses.set(id, use)
    if (Object.hasOwn(facts, what)) use[what as Fact] = value
    const [, letter, of] = /^([wd])(\d{1,3})$/.exec(what) ?? []
    if (letter !== undefined) (letter === 'w' ? use.windows : use.demands)[Number(of)] = value
  }
  return uses.values()
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function nameOf(part: string): string {
  return part.replaceAll(/%(25|7B|7D|3A)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}
