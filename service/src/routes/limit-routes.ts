import type { FastifyInstance } from 'fastify'
import type { Decision } from 'switchgear'
import { z } from 'zod'
import { nameText } from '../intake/plain-text.ts'
import { operatorOnly, scopeOf } from './access.ts'
import { check } from './check-request.ts'
import { callerOf } from './guard-routes.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'

const names = ['alerts', 'email', 'slack', 'webhook']
const pageMax = 100

/** `GET /v1/limits` and `GET /v1/limits/suggestions`. An organization sees its own limits. */
export function limitRoutes(app: FastifyInstance, { limiter, organizations }: ServerOptions): void {
  app.get('/v1/limits', { schema: limitsSchema }, async (request) => {
    const { organization: given, limit, cursor } = check(querySchema, request.query)
    const one = scopeOf(callerOf(request), given)
    const known =
      one === undefined ? [...organizations.keys()].toSorted() : [one].filter((name) => organizations.has(name))
    const rest = known.filter((name) => cursor === undefined || name > cursor)
    const page = rest.slice(0, limit)
    const items = await Promise.all(page.map(async (name) => shown(name, await limiter.peek(name, names))))
    return { items, ...(rest.length > page.length ? { next: page.at(-1) } : {}) }
  })
  app.get('/v1/limits/suggestions', { schema: suggestionsSchema }, async (request) => {
    operatorOnly(callerOf(request), 'sees what all organizations ask for')
    return { items: await limiter.suggest() }
  })
}

function shown(organization: string, { degraded, limits }: Decision): object {
  return { organization, degraded, limits: limits.map(({ exceeded: _exceeded, ...limit }) => limit) }
}

const querySchema = z.strictObject({
  organization: nameText.exactOptional(),
  limit: z.coerce.number().int().min(1).max(pageMax).default(pageMax),
  cursor: nameText.exactOptional(),
})
const problems = { '4xx': problemSchema, '5xx': problemSchema }
const definition = { name: z.string(), limit: z.number(), windowMs: z.number() }

const limitsSchema = {
  summary: 'Where the limits of organizations stand; `degraded` where it is not known what is left',
  querystring: querySchema,
  response: {
    200: z.object({
      items: z.array(
        z.object({
          organization: z.string(),
          degraded: z.boolean(),
          limits: z.array(z.object({ ...definition, remaining: z.number(), resetMs: z.number() })),
        }),
      ),
      next: z.string().optional(),
    }),
    ...problems,
  },
}

const suggestionsSchema = {
  summary: 'Limits that what was asked for suggests, and what they would have refused. For operators',
  response: {
    200: z.object({
      items: z.array(
        z.object({
          ...definition,
          scope: z.enum(['fleet', 'instance']),
          sinceAt: z.number(),
          asked: z.number(),
          refused: z.number(),
          overridden: z.number(),
          peak: z.number(),
          suggested: z.number(),
          wouldHaveRefused: z.number(),
        }),
      ),
    }),
    ...problems,
  },
}
