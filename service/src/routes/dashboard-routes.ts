import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type Asset, type Assets, readAssets } from '../dashboard/assets.ts'
import { onlooking } from './event-scope.ts'
import { callerOf } from './guard-routes.ts'
import { Problem } from './problem.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'

/** `GET /`: the page, which holds nothing that is secret, and asks for the rest with a token. */
export function dashboardPage(app: FastifyInstance): void {
  let assets: Promise<Assets> | undefined
  app.get('/', { schema: { hide: true } }, async (request, reply) => send(request, reply, await find('index.html')))
  app.get<{ Params: { name: string } }>('/assets/:name', { schema: { hide: true } }, async (request, reply) =>
    send(request, reply, await find(request.params.name)),
  )

  async function find(name: string): Promise<Asset> {
    // Read at the first request: a service whose dashboard was not built serves everything else.
    assets ??= readAssets()
    const asset = (await assets).get(name)
    if (asset === undefined) throw new Problem(404, `the dashboard has no ${name.slice(0, 64)}`)
    return asset
  }
}

/** `GET /v1/dashboard`: what the page shows at first. */
export function dashboardRoutes(app: FastifyInstance, { live, organizations }: ServerOptions): void {
  app.get('/v1/dashboard', { schema }, async (request) => live.view(onlooking(callerOf(request), organizations)))
}

/** Nothing but the page's own files and the service's own answers; texts that would become markup are refused, too. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

function send(request: FastifyRequest, reply: FastifyReply, { body, type, etag }: Asset): FastifyReply {
  void reply.headers({
    'content-security-policy': contentSecurityPolicy,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-cache',
    etag,
  })
  return request.headers['if-none-match'] === etag ? reply.code(304).send() : reply.type(type).send(body)
}

const schema = {
  summary: 'What the dashboard shows at first; the events go on from there',
  response: {
    200: z.looseObject({
      fleet: z.string(),
      instance: z.string(),
      breakers: z.array(z.looseObject({ name: z.string(), mode: z.string() })),
    }),
    '4xx': problemSchema,
  },
}
