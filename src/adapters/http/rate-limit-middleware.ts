import type { IncomingMessage, ServerResponse } from 'node:http'
import { limitRequests } from './limit-requests.ts'
import type { RateLimitOptions } from './rate-limit-options.ts'
import { whenAnswered } from './when-answered.ts'

/** What Connect, Express and their like call for each request. */
export type Middleware<Request extends IncomingMessage, Response extends ServerResponse> = (
  request: Request,
  response: Response,
  next: (error?: unknown) => void,
) => void

/**
 * Limits the requests that pass through it. Errors go to `next`. It needs nothing of Express: with `node:http` alone,
 * the rest of the handling is `next`.
 * @throws ConfigError
 */
export function rateLimitMiddleware<
  Request extends IncomingMessage = IncomingMessage,
  Response extends ServerResponse = ServerResponse,
>(options: RateLimitOptions<Request, Response>): Middleware<Request, Response> {
  const limits = limitRequests(options)
  return (request, response, next) => {
    const pass = async (): Promise<boolean> => {
      const asked = await limits.ask(request)
      // Somebody answered meanwhile, a timeout perhaps: there is nothing left to do.
      if (response.headersSent) return false
      if (asked === undefined) return true
      setHeaders(response, asked.headers())
      if (asked.refunds) whenAnswered(response, () => void asked.settle(response))
      if (asked.refusal === undefined) return true
      response.statusCode = asked.refusal.status
      setHeaders(response, asked.refusal.headers)
      response.end(asked.refusal.body)
      return false
    }
    // What `next` throws is not an error of ours, and it must not be called twice.
    void pass().then((passes) => (passes ? next() : undefined), next)
  }
}

function setHeaders(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
}
