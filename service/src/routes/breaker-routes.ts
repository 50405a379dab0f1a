import type { FastifyInstance } from 'fastify'
import type { BreakerState } from 'switchgear'
import { z } from 'zod'
import type { Organizations } from '../config/organizations.ts'
import type { Caller } from './access.ts'
import { callerOf } from './guard-routes.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'

const schema = {
  summary: 'The breakers of the destinations, those that are not closed first',
  response: {
    200: z.object({ breakers: z.array(z.looseObject({ name: z.string(), mode: z.string() })) }),
    '4xx': problemSchema,
  },
}

/** `GET /v1/breakers`. An organization sees those of its own destinations. */
export function breakerRoutes(app: FastifyInstance, { breakers, organizations }: ServerOptions): void {
  app.get('/v1/breakers', { schema }, async (request) => {
    const isSeen = visibility(callerOf(request), organizations)
    const seen = [...breakers.values()].filter(({ name }) => isSeen(name))
    const rows = seen.map(({ name, state }) => ({ name, ...state }))
    return { breakers: rows.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1)) }
  })
}

function rank({ mode }: { readonly mode: BreakerState['mode'] }): number {
  return mode === 'closed' ? 1 : 0
}

function visibility(caller: Caller, organizations: Organizations): (breaker: string) => boolean {
  if (caller.kind === 'operator') return () => true
  const own = new Set(organizations.get(caller.name)?.receivers.map(({ destination }) => destination))
  return (breaker) => own.has(breaker)
}
