/**
 * Every error that this library makes. Each carries a stable `code`, says whether trying again can help, and the
 * numbers a caller acts on. The table of codes is `docs/ERRORS.md`; a test compares the two.
 */
export const errorCodes: {
  readonly config: 'SWITCHGEAR_CONFIG'
  readonly breakerOpen: 'SWITCHGEAR_BREAKER_OPEN'
  readonly rateLimited: 'SWITCHGEAR_RATE_LIMITED'
  readonly timeout: 'SWITCHGEAR_TIMEOUT'
  readonly overCapacity: 'SWITCHGEAR_OVER_CAPACITY'
  readonly unavailable: 'SWITCHGEAR_UNAVAILABLE'
  readonly closed: 'SWITCHGEAR_CLOSED'
} = Object.freeze({
  config: 'SWITCHGEAR_CONFIG',
  breakerOpen: 'SWITCHGEAR_BREAKER_OPEN',
  rateLimited: 'SWITCHGEAR_RATE_LIMITED',
  timeout: 'SWITCHGEAR_TIMEOUT',
  overCapacity: 'SWITCHGEAR_OVER_CAPACITY',
  unavailable: 'SWITCHGEAR_UNAVAILABLE',
  closed: 'SWITCHGEAR_CLOSED',
})

export type ErrorCode = (typeof errorCodes)[keyof typeof errorCodes]

/** The root of the library's errors: catch this to catch them all. */
export class SwitchgearError extends Error {
  readonly code: ErrorCode
  /** Whether the same call may succeed later. */
  readonly retryable: boolean

  constructor(
    code: ErrorCode,
    message: string | undefined,
    options: { retryable: boolean; cause?: unknown; name?: string },
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = options.name ?? new.target.name
    this.code = code
    this.retryable = options.retryable
  }
}

/** An option, a name or a setting that cannot be meant. Thrown where it was given, before anything has happened. */
export class ConfigError extends SwitchgearError {
  /** Where in what was given, for example `breakers.smtp.failureThreshold`. */
  readonly path: string

  constructor(path: string, message: string, options: { cause?: unknown } = {}) {
    super(errorCodes.config, `${path}: ${message}`, { retryable: false, ...options })
    this.path = path
  }
}

/** What a breaker says of a call that it did not let through. */
export interface BreakerRefusal {
  readonly breaker: string
  readonly mode: 'open' | 'halfOpen' | 'forcedOpen'
  /** How long until a call may be let through, in ms; 0 when it may be at any moment; `Infinity` when only an operator ends it. */
  readonly retryAfterMs: number
  /** The same as an instant, ms since the epoch. */
  readonly retryAt: number
  /** Why it is open, in words, for the message. */
  readonly because: string
}

/**
 * A call that was refused because the breaker is not closed. No call reached the dependency.
 * Made on a hot path: no stack is captured, and one that is made from another takes over what it says.
 */
export class BreakerOpenError extends SwitchgearError {
  readonly breaker: string
  readonly mode: BreakerRefusal['mode']
  readonly retryAfterMs: number
  readonly retryAt: number

  constructor(refusal: BreakerRefusal | BreakerOpenError) {
    const message = 'because' in refusal ? describeRefusal(refusal) : refusal.message
    const limit = capturing.stackTraceLimit
    capturing.stackTraceLimit = undefined
    super(errorCodes.breakerOpen, undefined, ofRefusals)
    capturing.stackTraceLimit = limit
    // Given to the constructor it costs a tenth of a refusal. It is enumerable here, as the other facts are.
    this.message = message
    this.stack = `${ofRefusals.name}: ${message}`
    this.breaker = refusal.breaker
    this.mode = refusal.mode
    this.retryAfterMs = refusal.retryAfterMs
    this.retryAt = refusal.retryAt
  }
}

/** Asking the class for its name costs as much as a tenth of an error. */
const ofRefusals = Object.freeze({ name: 'BreakerOpenError', retryable: true })

/**
 * Without a number there is no capture; with 0 there is one, of nothing, and it takes as long as all the rest of making
 * an error: 7.0 times `await fn()`, and 4.2 without.
 */
const capturing: { stackTraceLimit: number | undefined } = Error

function describeRefusal({ breaker, mode, retryAfterMs, because }: BreakerRefusal): string {
  const state =
    mode === 'halfOpen' ? 'half-open, its probe is under way' : mode === 'forcedOpen' ? 'forced open' : 'open'
  const rest = Number.isFinite(retryAfterMs)
    ? ` for another ${readableMs(retryAfterMs)}`
    : ' until an operator releases it'
  return `breaker "${breaker}" is ${state}${mode === 'halfOpen' ? '' : rest}${because === '' ? '' : ` (${because})`}; calls are refused`
}

/** A duration as people say it: `850 ms`, `41 s`, `12 min`. */
export function readableMs(ms: number): string {
  if (ms < 1_000) return `${Math.ceil(ms)} ms`
  if (ms < 120_000) return `${Math.ceil(ms / 1_000)} s`
  return `${Math.ceil(ms / 60_000)} min`
}

/** What a limiter decided, as far as an error has to know; the port `limiter` has the whole of it. */
export interface RefusedDecision {
  readonly retryAfterMs: number
}

/** A rate limit refused the call. */
export class RateLimitedError<D extends RefusedDecision = RefusedDecision> extends SwitchgearError {
  readonly decision: D

  constructor(what: string, decision: D) {
    const when = Number.isFinite(decision.retryAfterMs)
      ? `try again in ${readableMs(decision.retryAfterMs)}`
      : 'its cost is above the limit, it can never pass'
    super(errorCodes.rateLimited, `${what} is over its rate limit; ${when}`, {
      retryable: Number.isFinite(decision.retryAfterMs),
    })
    this.decision = decision
  }
}

/** Something took longer than it may. */
export class TimeoutError extends SwitchgearError {
  /** The time it was given, in ms. */
  readonly timeoutMs: number
  /** How late the timer itself came, in ms: a blocked event loop, for which nobody else is to blame. */
  readonly lateMs: number

  constructor(what: string, timeoutMs: number, lateMs = 0) {
    super(errorCodes.timeout, `${what} did not finish within ${timeoutMs} ms`, { retryable: true })
    this.timeoutMs = timeoutMs
    this.lateMs = lateMs
  }
}

/** A documented bound was reached; nothing was taken in. */
export class OverCapacityError extends SwitchgearError {
  /** The bound, by the name of its option. */
  readonly bound: string
  readonly max: number

  constructor(what: string, bound: string, max: number) {
    super(errorCodes.overCapacity, `${what}: ${bound} is ${max}, and it is reached`, {
      retryable: true,
    })
    this.bound = bound
    this.max = max
  }
}

/** A dependency of ours could not be asked. Not the same as 'there is none': ports return `undefined` for that. */
export class UnavailableError extends SwitchgearError {
  readonly dependency: string

  constructor(dependency: string, message: string, options: { cause?: unknown } = {}) {
    super(errorCodes.unavailable, `${dependency} is unavailable: ${message}`, {
      retryable: true,
      ...options,
    })
    this.dependency = dependency
  }
}

/** The instance was closed; it takes nothing in any more. */
export class ClosedError extends SwitchgearError {
  constructor(what: string) {
    super(errorCodes.closed, `${what} is closed`, { retryable: false })
  }
}
