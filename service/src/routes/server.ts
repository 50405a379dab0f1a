import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { problemOf as refusalOf } from 'switchgear/http'
import { RateLimitedError } from 'switchgear'
import { parseJson } from '../json/parse-json.ts'
import { guardRoutes } from './guard-routes.ts'
import { alertRoutes } from './alert-routes.ts'
import { breakerRoutes } from './breaker-routes.ts'
import { cacheRoutes } from './cache-routes.ts'
import { answerClientError } from './client-error.ts'
import { dashboardPage, dashboardRoutes } from './dashboard-routes.ts'
import { deadLetterRoutes } from './dead-letter-routes.ts'
import { eventRoutes } from './event-routes.ts'
import { healthRoutes } from './health-routes.ts'
import { limitRoutes } from './limit-routes.ts'
import { measureRequests, metricsRoutes } from './metrics-routes.ts'
import { outboxRoutes } from './outbox-routes.ts'
import { Problem, problemBody, problemHeaders } from './problem.ts'
import { problemOf } from './problem-of.ts'
import { redriveRoutes } from './redrive-routes.ts'
import { searchRoutes } from './search-routes.ts'
import { securityHeaders } from './security-headers.ts'
import type { ServerOptions } from './server-options.ts'
import { statsRoutes } from './stats-routes.ts'
import { closeUnusedConnections } from './unused-connections.ts'

/** A body may be as large as this, in bytes. */
const bodyBytesMax = 1_048_576
/** The headers of a request may take so many bytes together, and be so many. */
const headersBytesMax = 16_384
const headersMax = 100
/** A client may take this long to send its headers, and its whole request, in ms. */
const headersTimeoutMs = 10_000
const requestTimeoutMs = 30_000
/** How often is looked for clients that are too slow, in ms. */
const slownessCheckMs = 1_000
/** Who is still at its request or its answer so long after the service was told to stop is cut off, in ms. */
const goodbyeMs = 5_000

/** The HTTP side of the service. Every error is a problem document. */
export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    http: {
      maxHeaderSize: headersBytesMax,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: slownessCheckMs,
    },
    routerOptions: { maxParamLength: 4_096 },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, problemOf(error)),
  })
  closeUnusedConnections(app)
  // What every request meets gives no promise: it would cost a turn of the queue each.
  app.addHook('onRequest', (request, reply, done) => {
    void reply.headers(securityHeaders)
    if (request.raw.rawHeaders.length > 2 * headersMax)
      throw new Problem(431, `a request may have at most ${headersMax} headers`)
    done()
  })
  app.addHook('preClose', async () => {
    // Node looks for slow clients no more from here on: one that sends nothing would keep the service from ending.
    setTimeout(() => app.server.closeAllConnections(), goodbyeMs).unref()
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) =>
    done(null, withoutPrototypes(String(body), parseJson(String(body)))),
  )
  // Schemas describe, in the OpenAPI document; the routes check for themselves, to name every wrong place.
  app.setValidatorCompiler(() => (value: unknown) => ({ value }))
  app.setSerializerCompiler(() => (value: unknown) => JSON.stringify(value))
  app.setErrorHandler((error, request, reply) => {
    const refusal = error instanceof RateLimitedError ? refusalOf(error) : undefined
    if (refusal !== undefined) return reply.code(refusal.status).headers(refusal.headers).send(refusal.body)
    const problem = problemOf(error)
    if (problem.status >= 500)
      options.logger.error(
        { error: problem.cause ?? problem, method: request.method, path: request.url },
        problem.message,
      )
    return sendProblem(reply, problem)
  })
  app.setNotFoundHandler((request) => {
    throw new Problem(404, `there is nothing at ${request.method} ${request.url.split('?')[0] ?? ''}`)
  })
  measureRequests(app, options.metrics.http)
  await app.register(swagger, { openapi, transform: jsonSchemaTransform })
  healthRoutes(app, options)
  dashboardPage(app)
  await app.register(async (guarded) => {
    guardRoutes(guarded, options.access)
    alertRoutes(guarded, options)
    outboxRoutes(guarded, options)
    breakerRoutes(guarded, options)
    limitRoutes(guarded, options)
    deadLetterRoutes(guarded, options)
    redriveRoutes(guarded, options)
    statsRoutes(guarded, options)
    searchRoutes(guarded, options)
    cacheRoutes(guarded, options)
    eventRoutes(guarded, options)
    dashboardRoutes(guarded, options)
    metricsRoutes(guarded, options)
  })
  app.get('/openapi.json', { schema: descriptionSchema }, async () => app.swagger())
  return app
}

const openapi = {
  openapi: '3.1.0' as const,
  info: {
    title: 'Switchgear alert service',
    version: '0.1.0',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  components: { securitySchemes: { token: { type: 'http' as const, scheme: 'bearer' } } },
  security: [{ token: [] }],
}

const descriptionSchema = {
  summary: 'This description',
  security: [],
  response: { 200: z.looseObject({ openapi: z.string() }) },
}

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply
    .code(problem.status)
    .headers({ ...securityHeaders, ...problemHeaders(problem) })
    .send(JSON.stringify(problemBody(problem)))
}

/** `__proto__` is no key of ours, and would be passed over in silence. */
function withoutPrototypes(text: string, value: unknown): unknown {
  if (/"(?:_|\\u005[fF]){2}proto(?:_|\\u005[fF]){2}"\s*:/.test(text))
    throw new Problem(400, '__proto__ is not a known key', { kind: 'invalid' })
  return value
}
