import { firstInCauses, peek, peekText } from './causes.ts'
import {
  type ErrorClass,
  type ErrorType,
  classOfCode,
  classOfSmtpReply,
  classOfStatus,
  retryableByType,
} from './error-classes.ts'
import { isAbortLink, isTimeoutLink } from './own-faults.ts'
import { retryAfterOf } from './retry-after.ts'

export type { ErrorType } from './error-classes.ts'

/** Longer messages are cut: an error may quote the whole answer of a server. */
const messageCharactersMax = 8_192
const nameCharactersMax = 256

/** An error as far as it matters for what to do next. */
export interface ClassifiedError {
  readonly type: ErrorType
  /** Whether the same call may succeed when it is made again after a while. An open breaker is not asked again in a loop: false. */
  readonly retryable: boolean
  readonly name: string
  /** What the error said, with what its cause said where that decided; at most 8,192 characters. */
  readonly message: string
  /** The code of the error, or of its nearest cause that has one. */
  readonly code?: string
  /** The HTTP status or the SMTP reply. */
  readonly status?: number
  /** How long the other side, or a limiter or breaker of ours, asked to wait, in ms; finite. */
  readonly retryAfterMs?: number
  /** Why there was no further attempt; only where one was possible: set by `retry` and `safeCall`. */
  readonly gaveUp?: 'attempts' | 'budget' | 'final' | 'deadline'
  /** What was thrown, itself. */
  readonly cause: unknown
}

/**
 * A caller's own answer, laid over the built-in one; `undefined` keeps that. A `type` without `retryable` brings the
 * usual `retryable` of the type. It cannot make the refusal of an open breaker retryable. One that throws, or gives
 * values that cannot be meant, is passed over.
 */
export type Classify = (error: unknown) => Partial<ClassifiedError> | undefined

/**
 * Says what kind of failure an error is: from codes, names, HTTP status and SMTP reply of the error and, where it says
 * nothing itself, of its causes (at most 16). An error that nothing is known of is `unknown` and retryable, as in most
 * libraries; a mistake in the program (`TypeError`, `ReferenceError`, …) is `unknown` and not. `docs/ERRORS.md` has the
 * whole table. Never throws, whatever the error is and whatever `classify` does.
 */
export function classify(
  error: unknown,
  options: { readonly classify?: Classify; readonly now?: number } = {},
): ClassifiedError {
  const builtIn = classifiedBefore(error) ?? builtInAnswer(error, options.now)
  return options.classify === undefined ? builtIn : laidOver(builtIn, callersAnswer(options.classify, error))
}

function builtInAnswer(error: unknown, now: number | undefined): ClassifiedError {
  const verdict = firstInCauses(error, decisive) ?? lastResort(error)
  const code = firstInCauses(error, (link) => peekText(link, 'code'))
  const retryAfterMs = firstInCauses(error, (link) => retryAfterOf(link, () => now ?? Date.now()))
  return {
    type: verdict.type,
    retryable: verdict.retryable,
    name: nameOf(error),
    message: messageOf(error, verdict.by),
    ...(code === undefined ? {} : { code: code.slice(0, nameCharactersMax) }),
    ...(verdict.status === undefined ? {} : { status: verdict.status }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    cause: error,
  }
}

interface Verdict extends ErrorClass {
  readonly status?: number
  /** The error that decided: the one thrown, or one of its causes. */
  readonly by: unknown
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

function nameOf(error: unknown): string {
  if ((typeof error !== 'object' || error === null) && typeof error !== 'function') return 'NonError'
  const name = peekText(error, 'name') ?? peekText(peek(error, 'constructor'), 'name')
  return name === undefined || name === '' ? 'Error' : name.slice(0, nameCharactersMax)
}

function messageOf(error: unknown, by: unknown): string {
  const own = ownMessage(error)
  const deciding = by === error ? '' : ownMessage(by)
  const whole = deciding === '' || own.includes(deciding) ? own : `${own}: ${deciding}`
  return whole.length > messageCharactersMax ? `${whole.slice(0, messageCharactersMax - 1)}…` : whole
}

function ownMessage(error: unknown): string {
  // Node's AggregateError of failed connections has no message.
  const text = peekText(error, 'message') || peekText(error, 'code')
  if (text !== undefined && text !== '') return text
  try {
    return String(error)
  } catch {
    return 'something that cannot be read was thrown'
  }
}

/** The answer for what was classified before, for example by `safeCall`, and is thrown again or put into a letter. */
function classifiedBefore(error: unknown): ClassifiedError | undefined {
  const type = peek(error, 'type')
  const retryable = peek(error, 'retryable')
  const name = peekText(error, 'name')
  const message = peekText(error, 'message')
  if (!isErrorType(type) || typeof retryable !== 'boolean' || name === undefined || message === undefined)
    return undefined
  return laidOver({ type, retryable, name, message, cause: peek(error, 'cause') ?? error }, error)
}

function isErrorType(value: unknown): value is ErrorType {
  return typeof value === 'string' && Object.hasOwn(retryableByType, value)
}

function callersAnswer(ask: Classify, error: unknown): unknown {
  try {
    const answer: unknown = ask(error)
    // An asynchronous classifier is a mistake; its rejection must not end the process.
    if (answer instanceof Promise) answer.catch(() => {})
    return answer
  } catch {
    return undefined
  }
}

function laidOver(builtIn: ClassifiedError, answer: unknown): ClassifiedError {
  if (typeof answer !== 'object' || answer === null) return builtIn
  const given = peek(answer, 'type')
  const type = isErrorType(given) ? given : builtIn.type
  const saysRetryable = peek(answer, 'retryable')
  const usual = type === builtIn.type ? builtIn.retryable : retryableByType[type]
  const code = peekText(answer, 'code')
  const status = peek(answer, 'status')
  const retryAfterMs = peek(answer, 'retryAfterMs')
  return {
    ...builtIn,
    type,
    retryable: builtIn.type !== 'circuit_open' && (typeof saysRetryable === 'boolean' ? saysRetryable : usual),
    name: peekText(answer, 'name') ?? builtIn.name,
    message: peekText(answer, 'message') ?? builtIn.message,
    ...(code === undefined ? {} : { code }),
    ...(typeof status === 'number' && Number.isInteger(status) ? { status } : {}),
    ...(typeof retryAfterMs === 'number' && Number.isFinite(retryAfterMs) && retryAfterMs >= 0 ? { retryAfterMs } : {}),
  }
}
