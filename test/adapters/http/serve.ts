import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import fastify from 'fastify'
import { fastifyRateLimit, limited, type RateLimitOptions, rateLimitMiddleware } from 'switchgear/http'

/** Options that say the same to every integration: of a request its header fields, of an answer its status. */
export interface SiteOptions extends Pick<
  RateLimitOptions<Field, number>,
  'limiter' | 'names' | 'cost' | 'skip' | 'refundWhen' | 'legacyHeaders' | 'logger'
> {
  /** Default: the field `organization`. */
  readonly key?: RateLimitOptions<Field, number>['key']
}

type Field = (name: string) => string | undefined

export interface Site {
  readonly url: string
  /** Connections that are open, as the server sees it. */
  connections(): Promise<number>
  close(): Promise<void>
}

/** What a site answers behind its limit, by path: the status. */
export type Answer = (path: string) => number | Promise<number>

export type Integration = (options: SiteOptions, answer?: Answer) => Promise<Site>

const fine: Answer = () => 200

export const integrations: Readonly<Record<'fastify' | 'express' | 'node' | 'fetch', Integration>> = {
  fastify: async (options, answer = fine) => {
    const app = fastify()
    await app.register(
      fastifyRateLimit,
      adapted(
        options,
        ({ headers }) => fieldOf(headers),
        ({ statusCode }) => statusCode,
      ),
    )
    app.get('/*', async (request, reply) => reply.code(await answer(request.url)).send('done'))
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    return { url, connections: () => connectionsOf(app.server), close: async () => app.close() }
  },

  express: async (options, answer = fine) => {
    const app = express()
    app.set('env', 'test')
    app.use(
      rateLimitMiddleware(
        adapted(
          options,
          (request: express.Request) => (name) => request.get(name),
          ({ statusCode }: express.Response) => statusCode,
        ),
      ),
    )
    app.use(async (request, response) => {
      response.status(await answer(request.url)).send('done')
    })
    return listen(app)
  },

  node: async (options, answer = fine) => {
    const limit = rateLimitMiddleware(
      adapted(
        options,
        ({ headers }: IncomingMessage) => fieldOf(headers),
        ({ statusCode }: ServerResponse) => statusCode,
      ),
    )
    return listen((request, response) =>
      limit(request, response, (error) => {
        if (error !== undefined) return void response.writeHead(500).end()
        void Promise.resolve(answer(request.url ?? '/')).then((status) => response.writeHead(status).end('done'))
      }),
    )
  },

  fetch: async (options, answer = fine) => {
    const handle = limited(
      async (request: Request) => new Response('done', { status: await answer(new URL(request.url).pathname) }),
      adapted(
        options,
        ({ headers }) =>
          (name) =>
            headers.get(name) ?? undefined,
        ({ status }) => status,
      ),
    )
    return listen(ofFetch(handle))
  },
}

/** A server of Node's over a handler in the style of Fetch, as such frameworks have one. */
function ofFetch(handle: (request: Request) => Promise<Response>): RequestListener {
  return (incoming, outgoing) => {
    const fields = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)])
    const answer = async (): Promise<void> => {
      const response = await handle(new Request(`http://${incoming.headers.host}${incoming.url}`, { headers: fields }))
      outgoing.writeHead(response.status, [...response.headers].flat())
      outgoing.end(await response.text())
    }
    void answer().catch(() => outgoing.writeHead(500).end())
  }
}

async function listen(handle: RequestListener): Promise<Site> {
  const server = createServer(handle).listen(0, '127.0.0.1')
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connectionsOf(server),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  )
}

function adapted<Request, Response>(
  options: SiteOptions,
  field: (request: Request) => Field,
  status: (response: Response) => number,
): RateLimitOptions<Request, Response> {
  const { key = (name) => name('organization') ?? 'nobody', names, cost, skip, refundWhen, ...same } = options
  return {
    ...same,
    key: (request) => key(field(request)),
    names: typeof names === 'function' ? (request) => names(field(request)) : names,
    cost: typeof cost === 'function' ? (request) => cost(field(request)) : cost,
    skip: skip === undefined ? undefined : (request) => skip(field(request)),
    refundWhen: refundWhen === undefined ? undefined : (response) => refundWhen(status(response)),
  }
}

function fieldOf(headers: IncomingMessage['headers']): Field {
  return (name) => headers[name]?.toString()
}
