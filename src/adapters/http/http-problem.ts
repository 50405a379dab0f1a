import { BreakerOpenError, OverCapacityError, RateLimitedError, readableMs } from '../../kernel/errors.ts'
import { hasMethods } from '../../kernel/options.ts'
import type { Decision } from '../../ports/limiter.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'

/** An answer that says what is wrong, as RFC 9457 has it. */
export interface HttpProblem {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body: string
}

/**
 * The answer to a request that ended with a refusal of ours: 503 for an open breaker and for a bound that is reached, 429
 * for a rate limit, all with `Retry-After` where there is an end to it. `undefined` for any other error. Strangers are
 * told neither the breaker's name nor why it is open.
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export function problemOf(error: unknown): HttpProblem | undefined {
  if (error instanceof BreakerOpenError) return unavailable(error.retryAfterMs)
  if (error instanceof OverCapacityError) return overCapacity
  return isRateLimited(error) ? overLimit(error) : undefined
}

/** The type of its decision would be `any` otherwise. */
function isRateLimited(error: unknown): error is RateLimitedError {
  return error instanceof RateLimitedError
}

/**
 * 429, with the names of the limits that are reached. Where the store could not be asked and the policy for that is to
 * refuse, none is: then the reason is ours, and the problem says so.
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/
 */
export function tooManyRequests(
  { degraded, retryAfterMs, limits }: Pick<Decision, 'degraded' | 'retryAfterMs' | 'limits'>,
  headers: Readonly<Record<string, string>>,
): HttpProblem {
  const violated = limits.filter(({ exceeded }) => exceeded).map(({ name }) => name)
  return problem(429, headers, {
    ...(degraded && violated.length === 0 ? reducedCapacity : quotaExceeded),
    detail: Number.isFinite(retryAfterMs)
      ? `try again in ${readableMs(retryAfterMs)}`
      : 'this request costs more than the limit allows at any time; it can never pass',
    'violated-policies': violated,
  })
}

const quotaExceeded = Object.freeze({
  type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
  title: 'Request cannot be satisfied as assigned quota has been exceeded',
})

const reducedCapacity = Object.freeze({
  type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
  title: 'Request cannot be satisfied due to temporary server capacity constraints',
})

/** 400 for a request that is counted by something that cannot be a key; that is not repeated, since it may be a secret. */
export const unusableKey: HttpProblem = problem(
  400,
  {},
  {
    type: 'urn:switchgear:problem:unusable-key',
    title: 'Bad Request',
    detail: 'what this request is counted by is empty, longer than 128 characters, or no well-formed text',
  },
)

/** Nobody knows when there is room again: not at once. */
const overCapacity: HttpProblem = problem(503, retryAfter({ retryAfterMs: 1_000 }), {
  ...reducedCapacity,
  detail: 'there is no room for more at the moment; try again in 1 s',
})

/** Whoever makes such an error may know no more than when to come back. */
function overLimit({ decision }: RateLimitedError): HttpProblem {
  if (isDecision(decision)) return tooManyRequests(decision, rateLimitHeaders(decision))
  return tooManyRequests({ degraded: false, retryAfterMs: decision.retryAfterMs, limits: [] }, retryAfter(decision))
}

function unavailable(retryAfterMs: number): HttpProblem {
  return problem(503, retryAfter({ retryAfterMs }), {
    type: 'urn:switchgear:problem:breaker-open',
    title: 'Service Unavailable',
    detail: Number.isFinite(retryAfterMs)
      ? `what this request needs is out of order; try again in ${readableMs(Math.max(1_000, retryAfterMs))}`
      : 'what this request needs was taken out of order',
  })
}

/** Whole seconds, rounded up; at least one, so that nobody comes back at once. */
function retryAfter({ retryAfterMs }: { readonly retryAfterMs: number }): Record<string, string> {
  return Number.isFinite(retryAfterMs) ? { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) } : {}
}

function problem(
  status: number,
  headers: Readonly<Record<string, string>>,
  { type, title, ...more }: { readonly type: string; readonly title: string; readonly [extension: string]: unknown },
): HttpProblem {
  return {
    status,
    headers: { ...headers, 'Content-Type': 'application/problem+json; charset=utf-8' },
    body: JSON.stringify({ type, title, status, ...more }),
  }
}

function isDecision(value: unknown): value is Decision {
  return hasMethods(value, ['headers'])
}
