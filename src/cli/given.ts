import { ConfigError } from '../index.ts'

/** What was typed: the options and arguments of a command, by name. */
export type Given = Readonly<Record<string, unknown>>

/** A text that was given as an option, or else in a variable of the environment; an empty variable is none. */
export function textOf(given: Given, name: string, variable?: string): string | undefined {
  const value = given[name]
  if (typeof value === 'string') return value
  const set = variable === undefined ? undefined : process.env[variable]
  return set === '' ? undefined : set
}

export function isGiven(given: Given, name: string): boolean {
  return given[name] === true
}

/** The name of the argument of which there may be several. */
export const severalName = 'ids'

/** All that was typed for it. */
export function severalOf(given: Given): readonly string[] {
  const { _: typed } = given
  return Array.isArray(typed) ? typed.map(String) : []
}

/** A whole number from 1 that was given as an option. @throws ConfigError */
export function countOf(given: Given, name: string, max: number = 1_000_000_000): number | undefined {
  const text = textOf(given, name)
  if (text === undefined) return undefined
  const number = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= max) return number
  throw new ConfigError(`--${name}`, `expected a whole number from 1 to ${max} (given: ${JSON.stringify(text)})`)
}
