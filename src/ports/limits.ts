import { ConfigError } from '../kernel/errors.ts'
import { checkName } from '../kernel/names.ts'
import { shown } from '../kernel/options.ts'
import type { LimitDefinition, LimitNames, Limits } from './limiter.ts'

/** Names a request may ask for at once. */
export const namesMax = 16

/** The limits of the specification, for each organization. */
export const defaultLimits: Readonly<Record<'alerts' | 'email' | 'slack' | 'webhook', LimitDefinition>> = Object.freeze(
  {
    alerts: Object.freeze({ limit: 100, windowMs: 60_000 }),
    email: Object.freeze({ limit: 50, windowMs: 3_600_000 }),
    slack: Object.freeze({ limit: 50, windowMs: 3_600_000 }),
    webhook: Object.freeze({ limit: 200, windowMs: 60_000 }),
  },
)

/**
 * Limits by name, checked and frozen.
 * @throws ConfigError naming the limit and what is wrong with it
 */
export function defineLimits<L extends Limits>(limits: L): Readonly<L> {
  checkLimits(limits)
  return Object.freeze({ ...limits })
}

/** The same, as adapters look them up. @throws ConfigError */
export function checkLimits(limits: unknown, path = 'limits'): ReadonlyMap<string, LimitDefinition> {
  return new Map(entriesOf(limits, path).map(([name, value]) => [name, checkDefinition(value, `${path}.${name}`)]))
}

/** One limit of a request. */
export interface AskedLimit {
  readonly name: string
  readonly cost: number
  readonly definition: LimitDefinition
}

/**
 * What a request asks for: each name once, in the order of the first mention, with the sum of what it costs.
 * @throws ConfigError
 */
export function readNames(names: LimitNames, limits: ReadonlyMap<string, LimitDefinition>): readonly AskedLimit[] {
  if (typeof names === 'string') return [{ name: names, cost: 1, definition: definitionOf(names, limits) }]
  const list: unknown = names
  if (!Array.isArray(list) || list.length === 0 || list.length > namesMax)
    throw new ConfigError('names', `expected a limit's name, or 1 to ${namesMax} of them (given: ${shown(names)})`)
  const asked: AskedLimit[] = []
  for (const each of list as readonly unknown[]) {
    const { name, cost } = readName(each)
    const index = asked.findIndex((other) => other.name === name)
    const sum = (asked[index]?.cost ?? 0) + cost
    const limit = { name, cost: Math.min(sum, costMax), definition: definitionOf(name, limits) }
    asked.splice(index < 0 ? asked.length : index, 1, limit)
  }
  return asked
}

/** @throws ConfigError for a name without a definition */
export function definitionOf(name: string, limits: ReadonlyMap<string, LimitDefinition>): LimitDefinition {
  const definition = limits.get(name)
  if (definition !== undefined) return definition
  const known = [...limits.keys()].slice(0, 20).map(shown).join(', ')
  throw new ConfigError('names', `there is no limit ${shown(name)}; there are ${known}`)
}

/** Names to forget: those that are given, or all there are. @throws ConfigError */
export function readNamesToForget(
  names: string | readonly string[] | undefined,
  limits: ReadonlyMap<string, LimitDefinition>,
): readonly string[] {
  const list = names === undefined ? [...limits.keys()] : typeof names === 'string' ? [names] : names
  for (const name of list) definitionOf(name, limits)
  return list
}

/** Overrides to set, and names whose overrides end. @throws ConfigError */
export function readOverrides(
  given: Readonly<Record<string, LimitDefinition | null>>,
  limits: ReadonlyMap<string, LimitDefinition>,
): readonly (readonly [name: string, definition: LimitDefinition | null])[] {
  return entriesOf(given, 'limits').map(([name, value]) => {
    definitionOf(name, limits)
    return [name, value === null ? null : checkDefinition(value, `limits.${name}`)]
  })
}

/** A key (an organization): 1 to 128 characters. @throws ConfigError */
export function checkKey(key: unknown): string {
  return checkName(key, 'key')
}

function entriesOf(limits: unknown, path: string): readonly (readonly [string, unknown])[] {
  if (typeof limits !== 'object' || limits === null)
    throw new ConfigError(path, `expected limits by name (given: ${shown(limits)})`)
  const entries = Object.entries(limits)
  for (const [name] of entries) checkName(name, path)
  return entries
}

function checkDefinition(value: unknown, path: string): LimitDefinition {
  if (typeof value !== 'object' || value === null)
    throw new ConfigError(path, `expected { limit, windowMs } (given: ${shown(value)})`)
  const { limit, windowMs, ...others } = value as Readonly<Record<string, unknown>>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new ConfigError(`${path}.${unknown}`, 'is not a known option')
  return {
    limit: checkWhole(limit, 1_000_000_000, `${path}.limit`),
    windowMs: checkWhole(windowMs, 2_678_400_000, `${path}.windowMs`),
  }
}

function checkWhole(value: unknown, max: number, path: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value
  throw new ConfigError(path, `expected a whole number from 1 to ${max} (given: ${shown(value)})`)
}

/** Above every limit, so that a larger cost says no more. */
const costMax = 2_000_000_000

function readName(each: unknown): { readonly name: string; readonly cost: number } {
  if (typeof each === 'string') return { name: each, cost: 1 }
  if (typeof each !== 'object' || each === null)
    throw new ConfigError('names', `expected a name or { name, cost } (given: ${shown(each)})`)
  const { name, cost = 1 } = each as { readonly name?: unknown; readonly cost?: unknown }
  if (typeof name !== 'string') throw new ConfigError('names.name', `expected a text (given: ${shown(name)})`)
  if (typeof cost !== 'number' || !Number.isSafeInteger(cost) || cost < 1)
    throw new ConfigError('names.cost', `expected a whole number of at least 1 (given: ${shown(cost)})`)
  return { name, cost }
}
