import { ConfigError } from './errors.ts'
import { shown } from './options.ts'

const fleetPattern = /^[A-Za-z0-9_-]{1,64}$/
const nameLengthMax = 128

/**
 * The name of a fleet: 1 to 64 of `A-Z a-z 0-9 _ -`, since it stands in subjects, streams and keys as it is.
 * @throws ConfigError
 */
export function checkFleetName(name: unknown, path = 'fleet'): string {
  if (typeof name === 'string' && fleetPattern.test(name)) return name
  throw new ConfigError(path, `expected 1 to 64 of A-Z a-z 0-9 _ - (given: ${shown(name)})`)
}

/**
 * Any other name (breaker, organization, channel, instance): 1 to 128 characters, whichever they are.
 * @throws ConfigError
 */
export function checkName(name: unknown, path: string): string {
  if (isName(name)) return name
  throw new ConfigError(path, `expected a text of 1 to ${nameLengthMax} characters (given: ${shown(name)})`)
}

/** Whether `checkName` would take it. */
export function isName(name: unknown): name is string {
  return typeof name === 'string' && name.length >= 1 && name.length <= nameLengthMax && name.isWellFormed()
}
