import type { FastifyInstance } from 'fastify'
import type { Letter } from 'switchgear'
import { z } from 'zod'
import type { Caller } from './access.ts'
import { check, checkBody } from './check-request.ts'
import {
  chosenSchema,
  editSchema,
  idText,
  letterSchema,
  listQuerySchema,
  purgeSchema,
  statsQuerySchema,
  statsSchema,
} from './dead-letter-schemas.ts'
import { callerOf } from './guard-routes.ts'
import { askQueue, notThere, ownFilter, ownId, ownLetters } from './letters-asked-for.ts'
import { problemSchema } from './problem-schema.ts'
import type { ServerOptions } from './server-options.ts'

/** `/v1/dead-letters`, but for redrives. A token of one organization sees and changes its own letters alone. */
export function deadLetterRoutes(app: FastifyInstance, { deadLetters }: ServerOptions): void {
  app.get('/v1/dead-letters', { schema: listSchema }, async (request) => {
    const { limit, cursor, ...filter } = check(listQuerySchema, request.query)
    const caller = callerOf(request)
    const own = ownFilter(caller, filter)
    const page = await askQueue(() => deadLetters.list(own, { limit, cursor }))
    return { ...page, items: page.items.map((letter) => shownTo(caller, letter)) }
  })
  app.get('/v1/dead-letters/stats', { schema: statsRouteSchema }, async (request) => {
    const caller = callerOf(request)
    const own = ownFilter(caller, check(statsQuerySchema, request.query))
    const { spilled, ...stats } = await askQueue(() => deadLetters.stats(own))
    // What waits beside the store is anybody's.
    return caller.kind === 'operator' ? { ...stats, spilled } : stats
  })
  app.get<{ Params: { id: string } }>('/v1/dead-letters/:id', { schema: getSchema }, async (request) => {
    const caller = callerOf(request)
    const id = ownId(caller, request.params.id, 'dead letter')
    return shownTo(caller, found(id, await askQueue(() => deadLetters.get(id))))
  })
  app.patch<{ Params: { id: string } }>('/v1/dead-letters/:id', { schema: patchSchema }, async (request) => {
    const caller = callerOf(request)
    const id = ownId(caller, request.params.id, 'dead letter')
    const { version, ...change } = checkBody(editSchema, request)
    return shownTo(caller, found(id, await askQueue(() => deadLetters.edit(id, change, { version }))))
  })
  app.post('/v1/dead-letters/purge', { schema: purgeRouteSchema }, async (request) => {
    const { dryRun, ...chosen } = checkBody(purgeSchema, request)
    const letters = ownLetters(callerOf(request), chosen)
    return { count: await askQueue(() => deadLetters.purge(letters, { dryRun })) }
  })
  app.post('/v1/dead-letters/park', { schema: parkSchema }, async (request) => {
    const letters = ownLetters(callerOf(request), checkBody(chosenSchema, request))
    return { count: await askQueue(() => deadLetters.park(letters)) }
  })
  app.post('/v1/dead-letters/unpark', { schema: unparkSchema }, async (request) => {
    const letters = ownLetters(callerOf(request), checkBody(chosenSchema, request))
    return { count: await askQueue(() => deadLetters.unpark(letters)) }
  })
}

function found(id: string, letter: Letter | undefined): Letter {
  if (letter === undefined) throw notThere(id, 'dead letter')
  return letter
}

/** Where in our code it went wrong is for the operator. */
function shownTo({ kind }: Caller, letter: Letter): Letter {
  if (kind === 'operator') return letter
  const { stack: _stack, ...error } = letter.error
  return { ...letter, error }
}

const problems = { '4xx': problemSchema, '5xx': problemSchema }
const counted = { 200: z.object({ count: z.number().int() }), ...problems }
const params = z.object({ id: idText })

const listSchema = {
  summary: 'Dead letters, newest first; instants in ms since the epoch, inclusive; `text` is looked for in the error',
  querystring: listQuerySchema,
  response: { 200: z.object({ items: z.array(letterSchema), next: z.string().optional() }), ...problems },
}

const statsRouteSchema = {
  summary: 'Depth and age of the oldest, by organization, channel and type of error; most letters first',
  querystring: statsQuerySchema,
  response: { 200: statsSchema, ...problems },
}

const getSchema = { summary: 'A dead letter, whole', params, response: { 200: letterSchema, ...problems } }

const patchSchema = {
  summary:
    'Changes what is sent, or on which channel; with `version`, only if the letter still has that one (else 409)',
  params,
  body: editSchema,
  response: { 200: letterSchema, ...problems },
}

const purgeRouteSchema = {
  summary: 'Removes letters for good, parked ones too; says how many, and with `dryRun` how many it would',
  body: purgeSchema,
  response: counted,
}

const parkSchema = {
  summary: 'Sets letters aside: redrives by filter pass over them. Says how many were not parked before',
  body: chosenSchema,
  response: counted,
}

const unparkSchema = { summary: 'Ends that. Says how many were parked', body: chosenSchema, response: counted }
