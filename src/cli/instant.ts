import { ConfigError } from '../index.ts'
import { parseDuration } from './duration.ts'

const agoMaxMs = 3_650 * 86_400_000

/**
 * An instant as it is typed, in ms since the epoch: `2026-11-24`, `2026-11-24T10:00:00Z`, `2026-11-24 10:00+01:00`, or how
 * long ago it was: `2h`. A day begins in UTC. @throws ConfigError naming the option
 */
export function parseInstant(text: string, option: string, now: number): number {
  if (isoPattern.test(text)) {
    const at = Date.parse(text.replace(' ', 'T'))
    if (Number.isFinite(at)) return at
  } else if (/^\d+(\.\d+)?[a-z]+$/.test(text)) {
    return now - parseDuration(text, option, agoMaxMs)
  }
  const rule =
    'expected a day, a time with Z or an offset, or how long ago: 2026-11-24, 2026-11-24T10:00:00Z, 30m, 2h, 7d'
  throw new ConfigError(option, `${rule} (given: ${JSON.stringify(text)})`)
}

const isoPattern = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/
