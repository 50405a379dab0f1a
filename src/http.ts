/** The door `switchgear/http`: rate limits for HTTP servers, and the answers that refusals become. */
export { fastifyRateLimit, type FastifyRateLimitOptions } from './adapters/http/fastify-rate-limit.ts'
export { rateLimitMiddleware, type Middleware } from './adapters/http/rate-limit-middleware.ts'
export { limited } from './adapters/http/limited.ts'
export { rateLimitHeaders, type RateLimitHeadersOptions } from './adapters/http/rate-limit-headers.ts'
export type { RateLimitOptions } from './adapters/http/rate-limit-options.ts'
export { decisionsOf } from './adapters/http/decisions-of.ts'
export { problemOf, type HttpProblem } from './adapters/http/http-problem.ts'
