import type { FastifyInstance } from 'fastify'
import type { Redrive } from 'switchgear'
import { z } from 'zod'
import { nameText } from '../intake/plain-text.ts'
import { scopeOf } from './access.ts'
import { check, checkBody } from './check-request.ts'
import { idText, redriveBodySchema, redriveSchema } from './dead-letter-schemas.ts'
import { callerOf } from './guard-routes.ts'
import { askQueue, notThere, ownId, ownLetters } from './letters-asked-for.ts'
import { Problem } from './problem.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'

/** `POST /v1/dead-letters/redrive` and `/v1/redrives`. A token of one organization sees and ends its own alone. */
export function redriveRoutes(app: FastifyInstance, { redrives, isStopping }: ServerOptions): void {
  app.post('/v1/dead-letters/redrive', { schema: startSchema }, async (request, reply) => {
    const caller = callerOf(request)
    if (isStopping()) throw new Problem(503, 'the service is stopping', { retryAfterMs: 1_000 })
    const { ids, filter, ...bounds } = checkBody(redriveBodySchema, request)
    const chosen = { ...(ids === undefined ? {} : { ids }), ...(filter === undefined ? {} : { filter }) }
    const letters = ownLetters(caller, chosen)
    const [first, ...others] = await askQueue(() => redrives.start(letters, bounds))
    if (first === undefined) throw new Problem(404, 'there is no such dead letter')
    const jobs = [first.id, ...others.map(({ id }) => id)]
    return reply.code(202).send({ id: first.id, ...(others.length === 0 ? {} : { ids: jobs }) })
  })
  app.get('/v1/redrives', { schema: listSchema }, async (request) => {
    const { organization } = check(listQuerySchema, request.query)
    const scope = scopeOf(callerOf(request), organization)
    return { items: (await askQueue(() => redrives.list(scope))).map(shown) }
  })
  app.get<{ Params: { id: string } }>('/v1/redrives/:id', { schema: getSchema }, async (request) =>
    one(ownId(callerOf(request), request.params.id, 'redrive')),
  )
  app.delete<{ Params: { id: string } }>('/v1/redrives/:id', { schema: deleteSchema }, async (request) => {
    const id = ownId(callerOf(request), request.params.id, 'redrive')
    await askQueue(() => redrives.cancel(id))
    return one(id)
  })

  async function one(id: string): Promise<object> {
    const job = await askQueue(() => redrives.get(id))
    if (job === undefined) throw notThere(id, 'redrive')
    return shown(job)
  }
}

/** Without the letters that were asked for: there may be thousands. */
function shown({ of: _of, ...job }: Redrive): object {
  return job
}

const listQuerySchema: z.ZodType<{ readonly organization?: string }> = z.strictObject({
  organization: nameText.exactOptional(),
})
const problems = { '4xx': problemSchema, '5xx': problemSchema }
const params = z.object({ id: idText })

const startSchema = {
  summary:
    'Sends letters again, oldest first, as jobs that outlive the request: one for each organization that has any of them',
  body: redriveBodySchema,
  response: { 202: z.object({ id: z.string(), ids: z.array(z.string()).optional() }), ...problems },
}

const listSchema = {
  summary: 'Redrives that were under way within a day, newest first, at most 100',
  querystring: listQuerySchema,
  response: { 200: z.object({ items: z.array(redriveSchema) }), ...problems },
}

const getSchema = { summary: 'A redrive, and how far it is', params, response: { 200: redriveSchema, ...problems } }

const deleteSchema = {
  summary: 'Ends a redrive: what is just being sent is still settled, the rest stays in the queue',
  params,
  response: { 200: redriveSchema, ...problems },
}
