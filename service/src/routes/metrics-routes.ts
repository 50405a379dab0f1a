import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { HttpMeter } from '../telemetry/http-meter.ts'
import { operatorOnly } from './access.ts'
import { callerOf } from './guard-routes.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'

/** Measures every request. To be called before there are routes: hooks are for what comes after them. */
export function measureRequests(app: FastifyInstance, http: HttpMeter): void {
  app.addHook('onResponse', ({ method, routeOptions }, reply, done) => {
    http.answered({ method, route: routeOptions.url, status: reply.statusCode, tookMs: reply.elapsedTime })
    done()
  })
}

/** `GET /metrics`: for Prometheus, with the operator's token, since it names the destinations of all organizations. */
export function metricsRoutes(app: FastifyInstance, { metrics }: Pick<ServerOptions, 'metrics'>): void {
  app.get('/metrics', { schema }, async (request, reply) => {
    operatorOnly(callerOf(request), 'reads the metrics')
    return reply.type(metrics.contentType).send(await metrics.read())
  })
}

const schema = {
  summary: 'What Prometheus reads, for operators alone',
  response: { 200: z.string().meta({ description: 'The text format of Prometheus' }), '4xx': problemSchema },
}
