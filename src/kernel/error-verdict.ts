import { firstInCauses, peek, peekText } from './causes.ts'
import { classOfCode, classOfSmtpReply, classOfStatus, type ErrorClass } from './error-classes.ts'
import { isAbortLink, isTimeoutLink } from './own-faults.ts'

/** The class of an error, and what it was seen from. */
export interface Verdict extends ErrorClass {
  /** The HTTP status or SMTP reply that decided. */
  readonly status?: number
  /** The error that decided: the one thrown, or one of its causes. */
  readonly by: unknown
}

/** The first of the error and its causes that says anything decides; where none does, the error's own kind. Never throws. */
export function verdictOn(error: unknown): Verdict {
  return firstInCauses(error, decisive) ?? lastResort(error)
}

const aborted: ErrorClass = Object.freeze({ type: 'unknown', retryable: false })
const timedOut: ErrorClass = Object.freeze({ type: 'timeout', retryable: true })
const malformed: ErrorClass = Object.freeze({ type: 'invalid', retryable: false })
const lostConnection: ErrorClass = Object.freeze({ type: 'connection', retryable: true })
const programMistake: ErrorClass = Object.freeze({ type: 'unknown', retryable: false })
const nothingKnown: ErrorClass = Object.freeze({ type: 'unknown', retryable: true })

function decisive(link: unknown): Verdict | undefined {
  if (isAbortLink(link)) return { ...(firstInCauses(link, timeoutClass) ?? aborted), by: link }
  const reply = statusIn(link, ['responseCode'])
  const byReply = reply === undefined ? undefined : classOfSmtpReply(reply)
  if (byReply !== undefined) return { ...byReply, ...(reply === undefined ? {} : { status: reply }), by: link }
  const status = httpStatusOf(link)
  const byStatus = status === undefined ? undefined : classOfStatus(status)
  if (byStatus !== undefined) return { ...byStatus, ...(status === undefined ? {} : { status }), by: link }
  const known = classInCode(link) ?? timeoutClass(link) ?? classOfName(peekText(link, 'name'))
  return known === undefined ? undefined : { ...known, by: link }
}

function classInCode(link: unknown): ErrorClass | undefined {
  // nodemailer puts a code of its own in front of the system's.
  const known = classOfCode(peekText(link, 'originalCode')) ?? classOfCode(peekText(link, 'code'))
  if (known === undefined || !known.retryable) return known
  // What can never pass: a cost above a limit of ours.
  return isOurs(link) && peek(link, 'retryable') === false ? { ...known, retryable: false } : known
}

function isOurs(link: unknown): boolean {
  return peekText(link, 'code')?.startsWith('SWITCHGEAR_') ?? false
}

function timeoutClass(link: unknown): ErrorClass | undefined {
  return isTimeoutLink(link) ? timedOut : undefined
}

function httpStatusOf(link: unknown): number | undefined {
  const own = ['status', 'statusCode'] as const
  return (
    statusIn(link, own) ??
    statusIn(peek(link, 'response'), own) ??
    statusIn(peek(link, 'res'), own) ??
    statusIn(peek(link, '$metadata'), ['httpStatusCode'])
  )
}

function statusIn(holder: unknown, keys: readonly string[]): number | undefined {
  for (const key of keys) {
    const status = peek(holder, key)
    if (typeof status === 'number' && Number.isInteger(status) && status >= 400 && status < 600) return status
  }
  return undefined
}

function classOfName(name: string | undefined): ErrorClass | undefined {
  switch (name) {
    case 'ZodError':
    case '$ZodError':
    case 'ValidationError':
    case 'SyntaxError':
      return malformed
    case 'ConnectionError':
    case 'ConnectionClosedError':
      return lostConnection
    default:
      return undefined
  }
}

/** What fetch says when the network failed it: a `TypeError`, as for a mistake. */
const fetchFailures: ReadonlySet<string> = new Set([
  'fetch failed',
  'Failed to fetch',
  'Load failed',
  'Network request failed',
  'NetworkError when attempting to fetch resource.',
  'network error',
  'terminated',
])

const mistakes: ReadonlySet<string> = new Set([
  'TypeError',
  'ReferenceError',
  'RangeError',
  'EvalError',
  'URIError',
  'AssertionError',
])

function lastResort(error: unknown): Verdict {
  const byFetch = firstInCauses(error, (link) => (isFetchFailure(link) ? { ...lostConnection, by: link } : undefined))
  return byFetch ?? { ...(mistakes.has(peekText(error, 'name') ?? '') ? programMistake : nothingKnown), by: error }
}

function isFetchFailure(link: unknown): boolean {
  return peekText(link, 'name') === 'TypeError' && fetchFailures.has(peekText(link, 'message') ?? '')
}
