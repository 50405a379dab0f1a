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
