import { OverCapacityError } from '../../kernel/errors.ts'
import { isName } from '../../kernel/names.ts'
import type { Decision, LimitNames } from '../../ports/limiter.ts'
import { type Logger, quietly, silentLogger } from '../../ports/logger.ts'
import { decisionsOf, rememberDecision } from './decisions-of.ts'
import { type HttpProblem, problemOf, tooManyRequests, unusableKey } from './http-problem.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'
import { checkRateLimitOptions, type RateLimitOptions } from './rate-limit-options.ts'

/** What the integrations have in common: asking before the answer, and giving back after it. */
export interface RequestLimits<Request extends object, Response> {
  /** `undefined` for a request that is skipped. Rejects with what the caller's functions throw, or the limiter. */
  ask(request: Request): Promise<Asked<Response> | undefined>
}

export interface Asked<Response> {
  /** For the answer, whatever it is. Of every limit that was asked for this request so far, here or elsewhere. */
  readonly headers: () => Readonly<Record<string, string>>
  /** The answer, where the limit is reached. */
  readonly refusal: HttpProblem | undefined
  /** To be called with an answer that was given, if `refunds`. Never rejects. */
  readonly settle: (response: Response, logger?: Logger) => Promise<void>
  readonly refunds: boolean
}

/** @throws ConfigError */
export function limitRequests<Request extends object, Response>(
  given: RateLimitOptions<Request, Response>,
): RequestLimits<Request, Response> {
  const options = checkRateLimitOptions(given)
  const { limiter, key, skip, refundWhen } = options

  return {
    async ask(request) {
      if (skip !== undefined && (await skip(request))) return undefined
      const whose = await key(request)
      // Who sends a request often chooses its key, and is told; a key that is no text at all is an error of the program.
      if (typeof whose === 'string' && !isName(whose)) return refusedWith(unusableKey)
      const decision = await limiter.check(whose, await namesOf(request, options)).catch(refusalOf)
      if ('status' in decision) return refusedWith(decision)
      rememberDecision(request, decision)
      const headers = () => rateLimitHeaders(decisionsOf(request), options)
      return {
        headers,
        refusal: decision.allowed ? undefined : tooManyRequests(decision, headers()),
        settle: (response, logger) => refund(options, decision, response, logger),
        refunds: decision.allowed && refundWhen !== undefined,
      }
    },
  }
}

/** What the limiter has no room for is refused; anything else is an error of the request. */
function refusalOf(error: unknown): HttpProblem {
  const problem = error instanceof OverCapacityError ? problemOf(error) : undefined
  if (problem === undefined) throw error
  return problem
}

/** Nothing was decided, so there is nothing to say of limits, and nothing to give back. */
function refusedWith(refusal: HttpProblem): Asked<unknown> {
  return { headers: () => ({}), refusal, settle: async () => {}, refunds: false }
}

async function namesOf<Request>(
  request: Request,
  { names, cost }: RateLimitOptions<Request, never>,
): Promise<LimitNames> {
  const asked = typeof names === 'function' ? await names(request) : names
  if (cost === undefined) return asked
  const each = typeof cost === 'function' ? await cost(request) : cost
  const list = typeof asked === 'string' ? [asked] : asked
  return list.map((one) =>
    typeof one === 'string' ? { name: one, cost: each } : { name: one.name, cost: one.cost ?? each },
  )
}

async function refund<Response>(
  { limiter, refundWhen, logger }: RateLimitOptions<never, Response>,
  decision: Decision,
  response: Response,
  ofFramework: Logger = silentLogger,
): Promise<void> {
  try {
    if (await refundWhen?.(response)) await limiter.refund(decision)
  } catch (error) {
    quietly(logger ?? ofFramework).warn(
      { err: error },
      'a request that should not count was not given back to its limit',
    )
  }
}
