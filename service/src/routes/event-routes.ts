import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { createEventStreams, type StreamKind, streamKinds } from '../dashboard/event-streams.ts'
import { plainText } from '../intake/plain-text.ts'
import { check } from './check-request.ts'
import { onlooking } from './event-scope.ts'
import { callerOf } from './guard-routes.ts'
import { Problem } from './problem.ts'
import { problemSchema } from './problem-schema.ts'
import { securityHeaders } from './security-headers.ts'
import type { ServerOptions } from './server-options.ts'

/** `GET /v1/events`: what happens, as it happens, to whom it belongs. */
export function eventRoutes(app: FastifyInstance, { live, organizations, isStopping }: ServerOptions): void {
  const streams = createEventStreams(live)
  // They would go on for ever; the server waits for the answers that it owes.
  app.addHook('preClose', async () => streams.close())
  app.get('/v1/events', { schema }, (request, reply) => {
    const caller = callerOf(request)
    const { types, lastEventId } = check(querySchema, request.query)
    const header = request.headers['last-event-id']
    if (isStopping()) throw new Problem(503, 'the service is stopping', { retryAfterMs: 1_000 })
    if (streams.isFull) throw new Problem(503, 'too many clients listen already', { retryAfterMs: 5_000 })
    // Who writes to the answer itself writes these, too.
    for (const [name, value] of Object.entries(securityHeaders)) reply.raw.setHeader(name, value)
    reply.hijack()
    streams.open(reply.raw, {
      ...onlooking(caller, organizations),
      kinds: new Set(types),
      lastEventId: typeof header === 'string' ? header : lastEventId,
    })
  })
}

const kindsByDefault: readonly StreamKind[] = streamKinds.filter((kind) => kind !== 'summary')

const querySchema: z.ZodType<{ readonly types: readonly StreamKind[]; readonly lastEventId?: string }> = z.strictObject(
  {
    types: z
      .string()
      .transform((text) => text.split(','))
      .pipe(z.array(z.enum(streamKinds)))
      .default([...kindsByDefault]),
    lastEventId: plainText(64).exactOptional(),
  },
)

const schema = {
  summary:
    'Server-sent events of this instance: transition, outcome, decision, letter. With Last-Event-ID what was missed ' +
    'comes first, or else a reset. `types` chooses, with commas; summary is what the dashboard shows, once a second',
  querystring: z.object({ types: z.string().optional(), lastEventId: z.string().optional() }),
  response: {
    200: z.string().meta({ description: 'text/event-stream' }),
    '4xx': problemSchema,
    '5xx': problemSchema,
  },
}
