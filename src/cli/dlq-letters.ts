import type { ArgsDef } from 'citty'
import { ConfigError, type ErrorType, type LetterFilter, type LettersGiven } from '../index.ts'
import { isGiven, severalName, severalOf, textOf, type Given } from './given.ts'
import { parseInstant } from './instant.ts'

/** The options that say which letters are meant; all that are given must hold. */
export const filterArgs: ArgsDef = {
  organization: { type: 'string', description: 'Letters of this organization', valueHint: 'name' },
  channel: { type: 'string', description: 'Letters for this channel', valueHint: 'name' },
  type: { type: 'string', description: 'Letters with an error of this type', valueHint: 'timeout|connection|…' },
  since: { type: 'string', description: 'Letters that are no older', valueHint: 'time|2h' },
  until: { type: 'string', description: 'Letters that are no younger', valueHint: 'time|2h' },
  text: { type: 'string', description: "Letters with this in the error's name or message", valueHint: 'text' },
  parked: { type: 'boolean', description: 'Letters that are parked' },
  'not-parked': { type: 'boolean', description: 'Letters that are not' },
}

/** For commands that change many letters: by their ids, by a filter, or all there are. */
export const lettersArgs: ArgsDef = {
  [severalName]: { type: 'positional', required: false, description: 'Those with these ids' },
  ...filterArgs,
  all: { type: 'boolean', description: 'All letters of the fleet, where nothing else says which' },
}

/** @throws ConfigError */
export function readFilter(given: Given): LetterFilter {
  const now = Date.now()
  const [parked, notParked] = [isGiven(given, 'parked'), isGiven(given, 'not-parked')]
  if (parked && notParked) throw new ConfigError('--not-parked', 'it does not go with --parked')
  const filter = {
    organization: nameOf(given, 'organization'),
    channel: nameOf(given, 'channel'),
    // The queue knows the types, and says which there are.
    errorType: textOf(given, 'type') as ErrorType | undefined,
    since: instantOf(given, 'since', now),
    until: instantOf(given, 'until', now),
    text: textOf(given, 'text'),
    parked: parked ? true : notParked ? false : undefined,
  }
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
}

/** @throws ConfigError unless it is said which: nobody changes all letters because a variable was empty */
export function readLetters(given: Given): LettersGiven {
  const [ids, filter, all] = [severalOf(given), readFilter(given), isGiven(given, 'all')]
  const said = [ids.length > 0, Object.keys(filter).length > 0, all].filter(Boolean).length
  if (said === 1) return ids.length > 0 ? ids : filter
  const rule = said === 0 ? 'expected ids, a filter, or --all' : 'ids, a filter and --all do not go together'
  throw new ConfigError('letters', rule)
}

/** `1 letter`, `2 letters`. */
export function counted(letters: number): string {
  return `${letters} ${letters === 1 ? 'letter' : 'letters'}`
}

export function isIds(letters: LettersGiven): letters is readonly string[] {
  return Array.isArray(letters)
}

function nameOf(given: Given, name: string): string | undefined {
  const text = textOf(given, name)
  if (text !== '') return text
  throw new ConfigError(`--${name}`, 'expected a name')
}

function instantOf(given: Given, name: string, now: number): number | undefined {
  const text = textOf(given, name)
  return text === undefined ? undefined : parseInstant(text, `--${name}`, now)
}
