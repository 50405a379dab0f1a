import { destination, pino } from 'pino'
import type { Logger } from 'switchgear'

export interface ServiceLogger extends Logger {
  debug(facts: object, message: string): void
  flush(): void
}

/** Keys whose values are secrets wherever they stand. */
const secrets = ['secret', 'token', 'authorization', 'password', 'pass', 'url']

/**
 * Structured logs, a JSON object a line, on the standard error stream: the standard output is for people. Secrets are cut
 * out by the names of their keys; nobody should log them in the first place.
 */
export function createLogger(level: string, base: Readonly<Record<string, string>>): ServiceLogger {
  const stream = destination({ fd: 2, sync: true })
  const logger = pino(
    {
      level,
      base: {},
      // Not pino's own `base`: what a line brings itself, as the engine's do, would stand in it twice.
      mixin: () => ({ ...base }),
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: (error) => errorFacts(error), err: (error) => errorFacts(error) },
      redact: { paths: secrets.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[secret]' },
    },
    stream,
  )
  return {
    debug: (facts, message) => logger.debug(facts, message),
    info: (facts, message) => logger.info(facts, message),
    warn: (facts, message) => logger.warn(facts, message),
    error: (facts, message) => logger.error(facts, message),
    flush: () => stream.flushSync(),
  }
}

/** What is worth keeping of an error, with its causes. Its other properties may hold anything, also what was sent. */
export function errorFacts(error: unknown, depth = 0): unknown {
  if (typeof error !== 'object' || error === null) return String(error)
  if (!(error instanceof Error)) return plainFacts(error)
  return {
    name: error.name,
    message: error.message,
    ...('code' in error ? { code: String(error.code) } : {}),
    stack: error.stack,
    ...(error.cause === undefined || depth >= 4 ? {} : { cause: errorFacts(error.cause, depth + 1) }),
  }
}

/** Of what is no error but tells of one, as the library's `ClassifiedError` does. */
function plainFacts(facts: object): object {
  const told = new Map<string, unknown>(Object.entries(facts))
  return Object.fromEntries(
    ['type', 'name', 'message', 'code', 'status'].flatMap((key) => {
      const value = told.get(key)
      return typeof value === 'string' || typeof value === 'number' ? [[key, value]] : []
    }),
  )
}
