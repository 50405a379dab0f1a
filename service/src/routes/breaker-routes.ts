import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Breaker, type BreakerState, ConfigError, type Order, UnavailableError } from 'switchgear'
import { z } from 'zod'
import { isOutbox } from '../config/destination.ts'
import type { Organizations } from '../config/organizations.ts'
import { nameText, plainText } from '../intake/plain-text.ts'
import { type Caller, operatorOnly } from './access.ts'
import { check, checkBody, checkName, invalid } from './check-request.ts'
import { callerOf } from './guard-routes.ts'
import { Problem } from './problem.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'

/** Entries of a history in one answer; the log keeps some tens of a breaker. */
const historyMax = 1_000
const historyDefault = 100

/** An order may last this long, in ms: as long as a timer can. */
const forMsMax = 2 ** 31 - 1

/** When to come back while the fleet cannot be told, in ms. */
const comeBackMs = 5_000

type Named = { Params: { name: string } }

/** `/v1/breakers`. An organization sees those of its own destinations, and gives no orders. */
export function breakerRoutes(app: FastifyInstance, options: ServerOptions): void {
  const { gear, organizations } = options
  app.get('/v1/breakers', { schema: listSchema }, async (request) => {
    const own = destinationsOf(organizations, callerOf(request))
    // What the fleet's log knows, also where nobody here has asked for it; and what stands here, which may be stricter.
    const states = new Map([...gear.states(), ...[...gear.breakers].map(([name, { state }]) => [name, state] as const)])
    const rows = [...states].filter(([name]) => own?.has(name) !== false).map(([name, state]) => ({ name, ...state }))
    return { breakers: rows.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1)) }
  })
  app.get<Named>('/v1/breakers/:name/history', { schema: historySchema }, async (request) => {
    const breaker = asked(options, request)
    const { limit } = check(historyQuerySchema, request.query)
    return { items: await told(() => listed(breaker.history({ limit }))) }
  })
  app.post<Named>('/v1/breakers/:name/force-open', { schema: forceOpenSchema }, (request) =>
    ordered(options, request, (breaker, order) => breaker.forceOpen(order)),
  )
  app.post<Named>('/v1/breakers/:name/disable', { schema: disableSchema }, (request) =>
    ordered(options, request, (breaker, order) => breaker.disable(order)),
  )
  app.post<Named>('/v1/breakers/:name/release', { schema: releaseSchema }, (request) =>
    ordered(options, request, (breaker, order) => breaker.release(order)),
  )
}

async function ordered(
  options: ServerOptions,
  request: FastifyRequest<Named>,
  give: (breaker: Breaker, order: Order) => Promise<void>,
): Promise<object> {
  operatorOnly(callerOf(request), 'gives orders to breakers')
  const breaker = asked(options, request)
  const order = checkBody(orderSchema, request)
  await told(() => give(breaker, order))
  return { name: breaker.name, ...breaker.state }
}

/** @throws Problem 404 for one that nobody knows, or that guards nothing of the caller's */
function asked({ gear, organizations }: ServerOptions, request: FastifyRequest<Named>): Breaker {
  const name = checkName('name', request.params.name)
  const own = destinationsOf(organizations, callerOf(request))
  const isKnown = gear.breakers.has(name) || gear.states().has(name) || isConfigured(organizations, name)
  if (!isKnown || own?.has(name) === false) throw new Problem(404, `there is no breaker "${name}"`)
  return gear.breaker(name)
}

async function listed<T>(iterable: AsyncIterable<T>): Promise<readonly T[]> {
  const items: T[] = []
  for await (const item of iterable) items.push(item)
  return items
}

/** @throws Problem */
async function told<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof ConfigError)
      throw invalid([{ path: error.path.replace(/^order\./, ''), message: error.message }])
    if (!(error instanceof UnavailableError)) throw error
    throw new Problem(503, 'the fleet cannot be reached', { retryAfterMs: comeBackMs, cause: error })
  }
}

function rank({ mode }: { readonly mode: BreakerState['mode'] }): number {
  return mode === 'closed' ? 1 : 0
}

/** The breakers of the caller's destinations; `undefined`: all that there are. */
function destinationsOf(organizations: Organizations, caller: Caller): ReadonlySet<string> | undefined {
  if (caller.kind === 'operator') return undefined
  return new Set(organizations.get(caller.name)?.receivers.map(({ destination }) => destination))
}

/** Whether a receiver is behind it. The outbox has no breaker. */
function isConfigured(organizations: Organizations, name: string): boolean {
  if (isOutbox(name)) return false
  return [...organizations.values()].some(({ receivers }) => receivers.some(({ destination }) => destination === name))
}

const historyQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(historyMax).default(historyDefault),
})
const orderSchema: z.ZodType<Order> = z.strictObject({
  by: plainText(128),
  reason: plainText(512),
  forMs: z.number().int().min(1).max(forMsMax).exactOptional(),
})

const params = z.object({ name: nameText })
const breakerSchema = z.looseObject({ name: z.string(), mode: z.string() })
const problems = { '4xx': problemSchema, '5xx': problemSchema }

const listSchema = {
  summary: 'The breakers of the destinations, those that are not closed first',
  response: { 200: z.object({ breakers: z.array(breakerSchema) }), ...problems },
}

const historySchema = {
  summary: 'What happened to a breaker, newest first: who, when, why, on what counts, and what the fleet did not take',
  params,
  querystring: historyQuerySchema,
  response: {
    200: z.object({
      items: z.array(
        z.object({
          seq: z.number(),
          at: z.number(),
          accepted: z.boolean(),
          why: z.string().optional(),
          event: z.looseObject({}),
        }),
      ),
    }),
    ...problems,
  },
}

const orderOf = (summary: string) => ({
  summary: `${summary} For operators`,
  params,
  body: orderSchema,
  response: { 200: breakerSchema, ...problems },
})

const forceOpenSchema = orderOf(
  'Refuses every call of the whole fleet to a destination, for `forMs` or until released.',
)
const disableSchema = orderOf('Lets every call of the whole fleet through, uncounted, for `forMs` or until released.')
const releaseSchema = orderOf('Ends an order; the breaker is closed then.')
