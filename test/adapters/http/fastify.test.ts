import fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify'
import { memoryLimiter } from 'switchgear'
import { decisionsOf, fastifyRateLimit } from 'switchgear/http'
import { expect, test } from 'vitest'

const limits = {
  alerts: { limit: 3, windowMs: 60_000 },
  email: { limit: 2, windowMs: 3_600_000 },
}
const key = () => 'acme'

async function statuses(app: FastifyInstance, path: string, times: number): Promise<number[]> {
  const seen: number[] = []
  for (let index = 0; index < times; index += 1) seen.push((await app.inject(path)).statusCode)
  return seen
}

function rateLimitOf({ headers }: LightMyRequestResponse): unknown {
  return headers['ratelimit']
}

test('registered on the root, it limits every route, also one that there is none of', async () => {
  const app = fastify()
  await app.register(fastifyRateLimit, { limiter: memoryLimiter({ limits }), names: 'alerts', key })
  app.get('/', () => 'here')
  await app.register(async (within) => within.get('/within', () => 'there'))
  expect(await statuses(app, '/', 1)).toEqual([200])
  expect(await statuses(app, '/within', 1)).toEqual([200])
  expect(await statuses(app, '/nowhere', 2)).toEqual([404, 429])
  expect(await statuses(app, '/', 1)).toEqual([429])
})

test('registered within a context, with a prefix or not, it leaves the others alone', async () => {
  const app = fastify()
  app.get('/', () => 'free')
  await app.register(
    async (within) => {
      await within.register(fastifyRateLimit, {
        limiter: memoryLimiter({ limits }),
        names: 'email',
        key,
        prefix: '/v1',
      })
      within.get('/mail', () => 'sent')
    },
    { prefix: '/v1' },
  )
  expect(await statuses(app, '/v1/mail', 3)).toEqual([200, 200, 429])
  expect(await statuses(app, '/', 5)).toEqual([200, 200, 200, 200, 200])
})

test('registered on the root and within, it asks for both, and the answer says where each stands', async () => {
  const limiter = memoryLimiter({ limits })
  const app = fastify()
  await app.register(fastifyRateLimit, { limiter, names: 'alerts', key })
  await app.register(async (within) => {
    await within.register(fastifyRateLimit, { limiter, names: 'email', key })
    within.get('/mail', () => 'sent')
  })
  expect(rateLimitOf(await app.inject('/mail'))).toBe('"alerts";r=2;t=60, "email";r=1;t=3600')
  const second = await app.inject('/mail')
  expect(second.headers).toMatchObject({ 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '0' })
  const refused = await app.inject('/mail')
  expect(refused.statusCode).toBe(429)
  expect(refused.json()).toMatchObject({ 'violated-policies': ['email'] })
  expect(refused.headers['retry-after']).toBe('3600')
})

test('a route says in its own settings which limits it has', async () => {
  interface Limits {
    readonly limits?: string
  }
  const app = fastify()
  await app.register(fastifyRateLimit, {
    limiter: memoryLimiter({ limits }),
    key,
    names: ({ routeOptions: { config } }) => (config as Limits).limits ?? 'alerts',
    skip: ({ routeOptions: { config } }) => (config as Limits).limits === 'none',
  })
  app.get('/mail', { config: { limits: 'email' } }, () => 'sent')
  app.get('/status', { config: { limits: 'none' } }, () => 'well')
  expect(await statuses(app, '/mail', 3)).toEqual([200, 200, 429])
  expect(await statuses(app, '/status', 9)).toEqual(Array(9).fill(200))
})

test('a refused request reaches neither the parsing of its body nor the handler, and a later hook finds it answered', async () => {
  const reached: string[] = []
  const app = fastify()
  await app.register(fastifyRateLimit, { limiter: memoryLimiter({ limits }), names: 'email', key })
  app.addHook('preParsing', async () => void reached.push('preParsing'))
  app.addHook('onResponse', async (_, reply) => void reached.push(`onResponse ${reply.statusCode}`))
  app.post('/', async () => reached.push('handler'))
  for (let index = 0; index < 3; index += 1) await app.inject({ method: 'POST', url: '/', payload: { text: 'hello' } })
  const passed = ['preParsing', 'handler', 'onResponse 200']
  expect(reached).toEqual([...passed, ...passed, 'onResponse 429'])
})

test('the handler can ask what was decided, and an error of its keeps the fields', async () => {
  const app = fastify()
  await app.register(fastifyRateLimit, { limiter: memoryLimiter({ limits }), names: 'alerts', key })
  app.get('/', (request) =>
    decisionsOf(request).map(({ allowed, degraded, limits }) => [allowed, degraded, limits[0]?.remaining]),
  )
  app.get('/raw', (request) => decisionsOf(request.raw).length)
  app.get('/fails', () => {
    throw new Error('broken')
  })
  expect((await app.inject('/')).json()).toEqual([[true, false, 2]])
  expect((await app.inject('/raw')).json()).toBe(1)
  const failed = await app.inject('/fails')
  expect([failed.statusCode, rateLimitOf(failed)]).toEqual([500, '"alerts";r=0;t=60'])
  expect(decisionsOf({})).toEqual([])
})

test('what could not be given back goes into the log of the request', async () => {
  const lines: string[] = []
  const app = fastify({ logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } } })
  const refundWhen = () => {
    throw new Error('no rule')
  }
  await app.register(fastifyRateLimit, { limiter: memoryLimiter({ limits }), names: 'alerts', key, refundWhen })
  app.get('/', () => 'here')
  expect(await statuses(app, '/', 1)).toEqual([200])
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { msg: 'a request that should not count was not given back to its limit', err: { message: 'no rule' } },
  ])
})
