import { limitRequests } from './limit-requests.ts'
import type { RateLimitOptions } from './rate-limit-options.ts'

/**
 * A handler in the style of Fetch, limited. What it does not decide itself it leaves to the handler, and gives on
 * whatever else the handler is called with. What the handler throws passes through, and counts. A refund is waited for
 * before the answer, since there may be no 'after' where such handlers run; it takes no longer than the limiter's own
 * deadline.
 * @throws ConfigError
 */
export function limited<R extends Request, A extends unknown[]>(
  handler: (request: R, ...more: A) => Response | Promise<Response>,
  options: RateLimitOptions<R, Response>,
): (request: R, ...more: A) => Promise<Response> {
  const limits = limitRequests(options)
  return async (request, ...more) => {
    const asked = await limits.ask(request)
    if (asked === undefined) return handler(request, ...more)
    const { refusal } = asked
    if (refusal !== undefined) return new Response(refusal.body, { status: refusal.status, headers: refusal.headers })
    const response = await handler(request, ...more)
    if (asked.refunds) await asked.settle(response)
    return withHeaders(response, asked.headers())
  }
}

/** Redirects, and what came from `fetch`, have headers that cannot be changed: of those, a copy. */
function withHeaders(response: Response, headers: Readonly<Record<string, string>>): Response {
  try {
    return setAll(response, headers)
  } catch {
    // An error or an upgrade cannot be made anew, and needs no such fields.
    if (response.status < 200) return response
    return setAll(new Response(response.body, response), headers)
  }
}

function setAll(response: Response, headers: Readonly<Record<string, string>>): Response {
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
  return response
}
