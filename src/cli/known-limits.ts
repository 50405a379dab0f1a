import { readFileSync } from 'node:fs'
import type { ArgsDef } from 'citty'
import { ConfigError, defineLimits, type Limiter, type Limits, type LimitSuggestion } from '../index.ts'
import { textOf, type Given } from './given.ts'
import type { Stores } from './store-command.ts'

/** For commands that have to know the limits. */
export const limitsArgs: ArgsDef = {
  limits: {
    type: 'string',
    description: 'A file of JSON with the limits: { "email": { "limit": 50, "windowMs": 3600000 } } (those in use)',
    valueHint: 'file',
  },
}

/** The limits of the file that was given, if one was. @throws ConfigError */
export function readLimits(given: Given): Limits | undefined {
  const file = textOf(given, 'limits')
  if (file === undefined) return undefined
  let limits: unknown
  try {
    limits = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const what = error instanceof SyntaxError ? 'is no JSON' : 'is no file that can be read'
    throw new ConfigError('--limits', `${JSON.stringify(file)} ${what}`, { cause: error })
  }
  return defineLimits(limits as Limits)
}

/** The limiter of the fleet, which is closed with its command. */
export function limiterOf(stores: Stores, limits: Limits): Limiter {
  return stores.open((door, options) => door.redisLimiter({ ...options, limits }))
}

/** What the fleet uses its limits for: of these, or of all that its instances have recorded. @throws UnavailableError */
export async function usedLimits(stores: Stores, limits: Limits = {}): Promise<readonly LimitSuggestion[]> {
  const suggestions = await limiterOf(stores, limits).suggest()
  if (stores.hasMissed()) throw stores.unreached()
  return suggestions
}

/** The limits of the file, or else those that are in use, once it is seen that Redis answers. @throws UnavailableError */
export async function knownLimits(stores: Stores, ofFile: Limits | undefined): Promise<Limits> {
  const used = await usedLimits(stores, ofFile)
  return Object.fromEntries(used.map(({ name, limit, windowMs }) => [name, { limit, windowMs }]))
}

/** @throws ConfigError */
export function checkKnown(name: string, limits: Limits): void {
  if (Object.hasOwn(limits, name)) return
  const names = Object.keys(limits)
  const known = names.length === 0 ? 'none is in use yet' : `there are ${names.slice(0, 20).join(', ')}`
  throw new ConfigError(
    'name',
    `there is no limit ${JSON.stringify(name)}; ${known}; --limits names a file with others`,
  )
}
