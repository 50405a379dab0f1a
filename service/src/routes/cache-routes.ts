import type { FastifyInstance } from 'fastify'
import { UnavailableError } from 'switchgear'
import { z } from 'zod'
import { nameText } from '../intake/plain-text.ts'
import { checkBody } from './check-request.ts'
import { callerOf } from './guard-routes.ts'
import { ownOrganization } from './own-organization.ts'
import { Problem } from './problem.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'

/** When to come back while Redis cannot be told, in ms. */
const comeBackMs = 1_000

/** `GET /v1/cache` and `POST /v1/cache/invalidate`. A token of one organization invalidates its own alone. */
export function cacheRoutes(app: FastifyInstance, { cache }: ServerOptions): void {
  app.get('/v1/cache', { schema: statsSchema }, async () => cache.stats())
  app.post('/v1/cache/invalidate', { schema: invalidateSchema }, async (request) => {
    const caller = callerOf(request)
    const { organization: asked, scope } = checkBody(bodySchema, request)
    const organization = ownOrganization(caller, asked)
    try {
      await cache.invalidate({ organization, scope })
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      const detail = 'the other instances cannot be told; here it is invalidated'
      throw new Problem(503, detail, { retryAfterMs: comeBackMs, cause: error })
    }
    return { organization, scope }
  })
}

const scope = z.enum(['stats', 'counts', 'search', 'all'])
const bodySchema = z.strictObject({ organization: nameText.exactOptional(), scope })

const reads = {
  hits: z.number(),
  misses: z.number(),
  stale: z.number(),
  loads: z.number(),
  loadsFailed: z.number(),
  loadMs: z.number(),
  hitRate: z.number(),
}
const tier = z.object({ hits: z.number(), misses: z.number(), unanswered: z.number() })

const statsSchema = {
  summary: 'How this instance uses the cache, all organizations together',
  response: {
    200: z.object({
      ...reads,
      entries: z.number(),
      bytes: z.number(),
      tiers: z.object({ local: tier, shared: tier }),
      kinds: z.record(z.string(), z.object(reads)),
    }),
    '4xx': problemSchema,
  },
}

const invalidateSchema = {
  summary: 'Makes what is cached of an organization invalid, for all instances: stats, counts, search or all',
  body: bodySchema,
  response: { 200: z.object({ organization: nameText, scope }), '4xx': problemSchema, '5xx': problemSchema },
}
