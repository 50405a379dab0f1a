import { firstInCauses, peek, peekText } from './causes.ts'
import { type ErrorType, retryableByType } from './error-classes.ts'
import { verdictOn } from './error-verdict.ts'
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
  const verdict = verdictOn(error)
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
