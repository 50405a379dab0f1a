import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { complaints } from '../config/check-shape.ts'
import { nameText } from '../intake/plain-text.ts'
import { scopeOf } from './access.ts'
import { callerOf } from './guard-routes.ts'
import { Problem } from './problem.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'
import { fromCache } from './x-cache.ts'

const pageMax = 100

const querySchema = z.strictObject({
  organization: nameText.optional(),
  limit: z.coerce.number().int().min(1).max(pageMax).default(50),
  cursor: nameText.optional(),
})

const schema = {
  summary: 'What was kept instead of sent, because its channel has no settings; newest first',
  querystring: querySchema,
  response: {
    200: z.object({
      items: z.array(
        z.object({
          id: z.string(),
          organization: z.string(),
          alertId: z.string(),
          receiver: z.string(),
          channel: z.enum(['email', 'slack', 'webhook']),
          message: z.unknown(),
          at: z.number(),
        }),
      ),
      next: z.string().optional(),
    }),
    '4xx': problemSchema,
  },
}

/** `GET /v1/outbox`, from the cache. */
export function outboxRoutes(app: FastifyInstance, { dashboards }: ServerOptions): void {
  app.get('/v1/outbox', { schema }, async (request, reply) => {
    const caller = callerOf(request)
    const query = querySchema.safeParse(request.query)
    if (!query.success) throw new Problem(400, 'the query is not valid', { errors: complaints(query.error) })
    const { organization, limit, cursor } = query.data
    const scope = scopeOf(caller, organization)
    const answer = await dashboards.outbox({
      limit,
      ...(scope === undefined ? {} : { organization: scope }),
      ...(cursor === undefined ? {} : { cursor }),
    })
    return fromCache(reply, answer)
  })
}
