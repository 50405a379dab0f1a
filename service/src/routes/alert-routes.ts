import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Decision, RateLimitedError } from 'switchgear'
import { rateLimitHeaders } from 'switchgear/http'
import { z } from 'zod'
import {
  type AlertDraft,
  alertDraftSchema,
  alertDraftsSchema,
  alertsInRequestMax,
  isAlertDraft,
} from '../intake/alert-schema.ts'
import { nameText, plainText } from '../intake/plain-text.ts'
import type { AlertView } from '../store/find-alert.ts'
import { alertViewSchema } from './alert-view-schema.ts'
import { type Caller, allow, scopeOf } from './access.ts'
import { check, checkAt, checkBody, checkName } from './check-request.ts'
import { callerOf } from './guard-routes.ts'
import { Problem } from './problem.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'
import { readTraceparent } from '../telemetry/traceparent.ts'

/** `POST /v1/alerts` and `GET /v1/alerts/:id`. */
export function alertRoutes(app: FastifyInstance, options: ServerOptions): void {
  const { intake, store, isStopping } = options
  const headersOf = rememberedHeaders()
  app.post('/v1/alerts', { schema: postSchema }, async (request, reply) => {
    const caller = callerOf(request)
    if (isStopping()) throw new Problem(503, 'the service is stopping', { retryAfterMs: 1_000 })
    const drafts = checkDrafts(request)
    for (const { organization } of drafts) allow(caller, organization)
    const acceptance = await intake.accept(drafts, requestKey(request), readTraceparent(request.headers['traceparent']))
    const placeOf = (index: number): string => (Array.isArray(request.body) ? `${index}.` : '')
    switch (acceptance.status) {
      case 'accepted':
        if (acceptance.decision !== undefined) reply.headers(headersOf(acceptance.decision))
        return reply.code(202).send({ alerts: acceptance.alerts })
      case 'limited':
        throw new RateLimitedError(`"${acceptance.organization}"`, acceptance.decision)
      case 'conflict':
        throw refusal(
          409,
          'conflict',
          `${placeOf(acceptance.index)}id`,
          `"${acceptance.id}" is the id of another alert`,
        )
      case 'unknownOrganization':
        throw refusal(
          422,
          'unknown-organization',
          `${placeOf(acceptance.index)}organization`,
          `"${acceptance.organization}" is not known`,
        )
    }
  })
  app.get<{ Params: { id: string }; Querystring: { organization?: string } }>(
    '/v1/alerts/:id',
    { schema: getSchema },
    async (request) => {
      const caller = callerOf(request)
      const id = checkName('id', request.params.id)
      const { organization } = request.query
      const asked = organization === undefined ? undefined : checkName('organization', organization)
      return one(await store.find(id, scopeOf(caller, asked)), id, caller)
    },
  )
}

/** Requests that were booked together share their decision. */
function rememberedHeaders(): (decision: Decision) => Record<string, string> {
  const known = new WeakMap<Decision, Record<string, string>>()
  return (decision) => {
    const headers = known.get(decision) ?? rateLimitHeaders(decision)
    known.set(decision, headers)
    return headers
  }
}

function checkDrafts(request: FastifyRequest): readonly AlertDraft[] {
  const body: unknown = request.body
  if (!Array.isArray(body)) return [isAlertDraft(body) ? body : checkBody(alertDraftSchema, request)]
  const isInBounds = body.length > 0 && body.length <= alertsInRequestMax
  return isInBounds && body.every(isAlertDraft) ? body : check(alertDraftsSchema, body)
}

/** Short enough that the place of an alert can be added to it. */
function requestKey({ headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key']
  return key === undefined ? undefined : checkAt('idempotency-key', plainText(120), unquoted(String(key)))
}

/** As the draft of the header has it, the key stands in quotation marks; most send it without. */
function unquoted(key: string): string {
  return key.length > 2 && key.startsWith('"') && key.endsWith('"') ? key.slice(1, -1) : key
}

function refusal(status: number, kind: string, path: string, message: string): Problem {
  return new Problem(status, `${path}: ${message}; nothing was stored`, { kind, errors: [{ path, message }] })
}

function one(found: readonly AlertView[], id: string, caller: Caller): AlertView {
  const [alert, another] = found
  if (alert === undefined) throw new Problem(404, `there is no alert "${id}"`)
  if (another !== undefined && caller.kind === 'operator')
    throw new Problem(409, `several organizations have an alert "${id}"; ask with ?organization=…`, {
      kind: 'ambiguous',
    })
  return alert
}

const postSchema = {
  summary: `Takes in one alert, or up to ${alertsInRequestMax}: stored when it answers, all or none`,
  headers: z.object({
    'idempotency-key': z.string().optional().describe('The same request again gets the same answer, another one 409'),
  }),
  body: z.union([alertDraftSchema, alertDraftsSchema]),
  response: {
    202: z.object({ alerts: z.array(z.object({ id: z.string(), duplicateOf: z.string().optional() })) }),
    '4xx': problemSchema,
    '5xx': problemSchema,
  },
}

const getSchema = {
  summary: 'An alert, and what has become of the message to each of its receivers',
  params: z.object({ id: nameText }),
  querystring: z.object({ organization: nameText.optional() }),
  response: { 200: alertViewSchema, '4xx': problemSchema, '5xx': problemSchema },
}
