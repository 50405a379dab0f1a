import { peek } from './causes.ts'

/** The three forms of a date in HTTP: RFC 5322's, RFC 850's and asctime's. `Date.parse` alone takes `soon 1` for a date. */
const httpDate =
  /^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})$/

/** More headers than this are not looked through. */
const headersMax = 1_000

/**
 * What a `Retry-After` field asks for, in ms from `now` (ms since the epoch): a whole number of seconds, or one of
 * HTTP's three date forms; a date that has passed gives 0. `undefined` for anything else. Never throws.
 * @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export function parseRetryAfter(field: unknown, now: number): number | undefined {
  if (typeof field === 'number') return Number.isFinite(field) && field >= 0 ? seconds(field) : undefined
  if (typeof field !== 'string' || field.length > 64) return undefined
  const text = field.trim()
  if (/^\d+$/.test(text)) return seconds(Number(text))
  if (!httpDate.test(text)) return undefined
  const at = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

function seconds(count: number): number {
  return Math.min(count * 1_000, Number.MAX_SAFE_INTEGER)
}

/**
 * The `Retry-After` that came with one error (its causes are not looked at), in ms from `now()`: in `headers` of the
 * error itself, of its `response` or of its `res`, be they a `Headers`, a `Map` or a plain object with names in any case.
 * `retryAfterMs`, as our own errors carry it, comes first. Never throws.
 */
export function retryAfterOf(link: unknown, now: () => number): number | undefined {
  const own = peek(link, 'retryAfterMs') ?? peek(peek(link, 'decision'), 'retryAfterMs')
  if (typeof own === 'number' && Number.isFinite(own) && own >= 0) return own
  for (const holder of [link, peek(link, 'response'), peek(link, 'res')]) {
    const field = headerOf(peek(holder, 'headers'), 'retry-after')
    const afterMs = field === undefined ? undefined : parseRetryAfter(field, now())
    if (afterMs !== undefined) return afterMs
  }
  return undefined
}

function headerOf(headers: unknown, name: string): unknown {
  if (typeof headers !== 'object' || headers === null) return undefined
  try {
    const get = peek(headers, 'get')
    const found: unknown = typeof get === 'function' ? Reflect.apply(get, headers, [name]) : undefined
    return firstOf(found ?? entryOf(headers, name))
  } catch {
    return undefined
  }
}

function entryOf(headers: object, name: string): unknown {
  const entries = headers instanceof Map ? [...headers] : Object.entries(headers)
  return entries.slice(0, headersMax).find(([key]) => typeof key === 'string' && key.toLowerCase() === name)?.[1]
}

/** Node gives repeated fields as a list. */
function firstOf(field: unknown): unknown {
  return Array.isArray(field) ? peek(field, 0) : field
}
