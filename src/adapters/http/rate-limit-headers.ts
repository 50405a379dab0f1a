import { makeDecision } from '../../ports/decision.ts'
import type { Decision, LimitState } from '../../ports/limiter.ts'

export interface RateLimitHeadersOptions {
  /** Whether `X-RateLimit-*` is among them. Default: true. */
  readonly legacyHeaders?: boolean | undefined
}

/**
 * The header fields of an answer to a request that was decided on once, or by several limiters one after the other:
 * `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds from now) of the limit that is nearest to its end,
 * `RateLimit-Policy` and `RateLimit` of each limit, and `Retry-After` (whole seconds, rounded up) of a refusal that
 * ends. A degraded decision knows what the limits are and not what is left, so it says only that. Values are printable
 * ASCII, whatever a limit is called. Never throws.
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/
 */
export function rateLimitHeaders(
  decided: Decision | readonly Decision[],
  { legacyHeaders = true }: RateLimitHeadersOptions = {},
): Record<string, string> {
  const decision = 'allowed' in decided ? decided : together(decided)
  const wanted = Object.entries(decision.headers()).filter(([name]) => legacyHeaders || !name.startsWith('X-'))
  return Object.fromEntries(wanted)
}

/** A limit that was asked twice stands as it stood last: the fields may name a policy only once. */
function together(decisions: readonly Decision[]): Decision {
  const [only] = decisions
  if (only !== undefined && decisions.length === 1) return only
  const limits = new Map<string, LimitState>()
  for (const decision of decisions) for (const limit of decision.limits) limits.set(limit.name, limit)
  return makeDecision({
    allowed: decisions.every((one) => one.allowed),
    degraded: decisions.some((one) => one.degraded),
    retryAfterMs: Math.max(0, ...decisions.map((one) => one.retryAfterMs)),
    limits: [...limits.values()],
  })
}
