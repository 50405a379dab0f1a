import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { nameText } from '../intake/plain-text.ts'
import { distributionKeys, trendDaysMax } from '../store/statistics.ts'
import { check } from './check-request.ts'
import { callerOf } from './guard-routes.ts'
import { ownOrganization } from './own-organization.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'
import { fromCache } from './x-cache.ts'

const daysDefault = 7

/** `GET /v1/stats/…`: what dashboards count, from the cache. */
export function statsRoutes(app: FastifyInstance, { dashboards }: ServerOptions): void {
  app.get('/v1/stats/overview', { schema: overviewSchema }, async (request, reply) => {
    const { organization } = check(plainQuery, request.query)
    return fromCache(reply, await dashboards.overview(ownOrganization(callerOf(request), organization)))
  })
  app.get('/v1/stats/counts', { schema: countsSchema }, async (request, reply) => {
    const { organization } = check(plainQuery, request.query)
    return fromCache(reply, await dashboards.counts(ownOrganization(callerOf(request), organization)))
  })
  app.get('/v1/stats/distribution', { schema: distributionSchema }, async (request, reply) => {
    const { organization, by } = check(distributionQuery, request.query)
    const answer = await dashboards.distribution(ownOrganization(callerOf(request), organization), by)
    return { by, counts: fromCache(reply, answer) }
  })
  app.get('/v1/stats/trends', { schema: trendsSchema }, async (request, reply) => {
    const { organization, days } = check(trendsQuery, request.query)
    const answer = await dashboards.trends(ownOrganization(callerOf(request), organization), days)
    return { days, series: fromCache(reply, answer) }
  })
}

const queryOf = <T extends z.ZodRawShape>(fields: T) =>
  z.strictObject({ organization: nameText.exactOptional(), ...fields })
const plainQuery = queryOf({})
const distributionQuery = queryOf({ by: z.enum(distributionKeys) })
const trendsQuery = queryOf({ days: z.coerce.number().int().min(7).max(trendDaysMax).default(daysDefault) })

const countsFields = { total: z.number(), firing: z.number(), resolved: z.number() }
const counts = z.record(z.string(), z.number())
const problems = { '4xx': problemSchema, '5xx': problemSchema }

const overviewSchema = {
  summary: 'How many alerts are kept, by status, severity and type',
  querystring: plainQuery,
  response: { 200: z.object({ ...countsFields, bySeverity: counts, byType: counts }), ...problems },
}

const countsSchema = {
  summary: 'How many alerts are kept, by status',
  querystring: plainQuery,
  response: { 200: z.object(countsFields), ...problems },
}

const distributionSchema = {
  summary: 'How many alerts are kept of each severity, status or type',
  querystring: distributionQuery,
  response: { 200: z.object({ by: z.enum(distributionKeys), counts }), ...problems },
}

const trendsSchema = {
  summary: 'How many alerts were accepted on each of the last days, today included; days of UTC',
  querystring: trendsQuery,
  response: {
    200: z.object({ days: z.number(), series: z.array(z.object({ date: z.string(), count: z.number() })) }),
    ...problems,
  },
}
