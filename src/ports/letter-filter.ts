import { retryableByType } from '../kernel/error-classes.ts'
import { ConfigError } from '../kernel/errors.ts'
import { shown } from '../kernel/options.ts'
import type { LetterFilter } from './dead-letters.ts'
import type { LetterParts } from './letter.ts'

export const pageLimitDefault = 100
export const pageLimitMax = 1_000

/**
 * Checks a filter as it came from a caller, who may be a query string away.
 * @throws ConfigError for a field that is not known, or not of its kind
 */
export function checkLetterFilter(filter: LetterFilter, at = 'filter'): LetterFilter {
  if (typeof filter !== 'object' || filter === null)
    throw new ConfigError(at, `expected a filter (given: ${shown(filter)})`)
  for (const [key, value] of Object.entries(filter)) {
    const rule = Object.hasOwn(rules, key) ? rules[key as keyof LetterFilter] : undefined
    if (rule === undefined) throw new ConfigError(`${at}.${key}`, 'is not a known field of a filter')
    if (value !== undefined && !rule.holds(value))
      throw new ConfigError(`${at}.${key}`, `expected ${rule.says} (given: ${shown(value)})`)
  }
  return filter
}

/** @throws ConfigError unless it is a whole number from 1 to 1,000 */
export function checkPageLimit(limit: unknown = pageLimitDefault): number {
  if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 1 && limit <= pageLimitMax) return limit
  throw new ConfigError('limit', `expected a whole number from 1 to ${pageLimitMax} (given: ${shown(limit)})`)
}

/** Whether everything that the filter asks for holds. The text is looked for without regard to case. */
export function letterMatches({ header }: Pick<LetterParts, 'header'>, filter: LetterFilter): boolean {
  const { organization, channel, errorType, since, until, text, parked } = filter
  if (organization !== undefined && header.organization !== organization) return false
  if (channel !== undefined && header.channel !== channel) return false
  if (errorType !== undefined && header.errorType !== errorType) return false
  if (since !== undefined && header.createdAt < since) return false
  if (until !== undefined && header.createdAt > until) return false
  if (parked !== undefined && header.parked !== parked) return false
  return text === undefined || contains(header.error.name, text) || contains(header.error.message, text)
}

interface Rule {
  readonly says: string
  holds(value: unknown): boolean
}

const text: Rule = { says: 'a text', holds: (value) => typeof value === 'string' }
const instant: Rule = { says: 'milliseconds since the epoch', holds: (value) => Number.isFinite(value) }
const rules: Readonly<Record<keyof LetterFilter, Rule>> = {
  organization: text,
  channel: text,
  errorType: {
    says: `one of ${Object.keys(retryableByType).join(', ')}`,
    holds: (value) => typeof value === 'string' && Object.hasOwn(retryableByType, value),
  },
  since: instant,
  until: instant,
  text,
  parked: { says: 'true or false', holds: (value) => typeof value === 'boolean' },
}

function contains(whole: string, part: string): boolean {
  return whole.toLowerCase().includes(part.toLowerCase())
}
