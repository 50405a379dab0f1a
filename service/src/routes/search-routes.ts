import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { nameText, plainText } from '../intake/plain-text.ts'
import type { SearchPlace } from '../store/search-alerts.ts'
import { check, invalid } from './check-request.ts'
import { callerOf } from './guard-routes.ts'
import { ownOrganization } from './own-organization.ts'
import { problemSchema } from './problem-schema.ts'
import { alertSchema } from './alert-view-schema.ts'
import type { ServerOptions } from './server-options.ts'
import { fromCache } from './x-cache.ts'

const pageMax = 100
const pageDefault = 50

/** `GET /v1/search`, from the cache. */
export function searchRoutes(app: FastifyInstance, { dashboards }: ServerOptions): void {
  app.get('/v1/search', { schema }, async (request, reply) => {
    const { organization: asked, q: text, limit, cursor } = check(querySchema, request.query)
    const organization = ownOrganization(callerOf(request), asked)
    const after = cursor === undefined ? undefined : placeAt(cursor)
    const { items, next } = fromCache(reply, await dashboards.search({ organization, text, limit, after }))
    return { items, ...(next === undefined ? {} : { next: cursorAt(next) }) }
  })
}

function cursorAt({ acceptedAt, id }: SearchPlace): string {
  return `${acceptedAt}.${id}`
}

/** @throws Problem 400 */
function placeAt(cursor: string): SearchPlace {
  const [, acceptedAt, id] = /^(\d{1,15})\.(.+)$/s.exec(cursor) ?? []
  if (id === undefined) throw invalid([{ path: 'cursor', message: 'expected the `next` of the page before' }])
  return { acceptedAt: Number(acceptedAt), id }
}

const querySchema = z.strictObject({
  organization: nameText.exactOptional(),
  q: plainText(200),
  limit: z.coerce.number().int().min(1).max(pageMax).default(pageDefault),
  cursor: plainText(144).exactOptional(),
})

const schema = {
  summary:
    'Alerts with a text in their title, message, type or labels, newest first. A page may be short and yet have a next',
  querystring: querySchema,
  response: {
    200: z.object({ items: z.array(alertSchema), next: z.string().optional() }),
    '4xx': problemSchema,
    '5xx': problemSchema,
  },
}
