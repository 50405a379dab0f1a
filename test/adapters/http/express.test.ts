import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { memoryLimiter } from 'switchgear'
import { decisionsOf, rateLimitMiddleware } from 'switchgear/http'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../servers/until.ts'

const limits = { alerts: { limit: 3, windowMs: 60_000 }, email: { limit: 2, windowMs: 3_600_000 } }

async function serve(app: express.Express): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(async () => {
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a router has limits of its own beside those of the application, and the answer says where each stands', async () => {
  const limiter = memoryLimiter({ limits })
  const app = express()
  app.use(rateLimitMiddleware({ limiter, names: 'alerts', key: ({ ip }: express.Request) => ip ?? 'unknown' }))
  const mail = express.Router()
  mail.use(
    rateLimitMiddleware({
      limiter,
      names: 'email',
      key: (request: express.Request) => request.get('recipient') ?? 'nobody',
    }),
  )
  mail.get('/', (request, response) => {
    response.json(decisionsOf(request).map(({ limits }) => limits[0]?.name))
  })
  app.use('/mail', mail)
  const url = await serve(app)
  const write = (recipient: string) => fetch(`${url}/mail`, { headers: { recipient } })
  const first = await write('ann')
  expect(await first.json()).toEqual(['alerts', 'email'])
  expect(first.headers.get('ratelimit')).toBe('"alerts";r=2;t=60, "email";r=1;t=3600')
  expect((await write('bob')).headers.get('ratelimit')).toBe('"alerts";r=1;t=60, "email";r=1;t=3600')
  expect((await fetch(`${url}/elsewhere`)).headers.get('ratelimit')).toBe('"alerts";r=0;t=60')
  expect((await write('ann')).status).toBe(429)
})

test('an error goes to the error handler of the application, once', async () => {
  const seen: unknown[] = []
  const app = express()
  const key = () => {
    throw new TypeError('who is it?')
  }
  app.use(rateLimitMiddleware({ limiter: memoryLimiter({ limits }), names: 'alerts', key }))
  app.use((error: unknown, _: express.Request, response: express.Response, next: express.NextFunction) => {
    seen.push(error)
    if (response.headersSent) return next(error)
    response.status(503).end()
  })
  const url = await serve(app)
  expect((await fetch(url)).status).toBe(503)
  expect(seen).toEqual([new TypeError('who is it?')])
})

test('an answer that somebody gave while the limiter was asked stands, and nothing else is called', async () => {
  const seen: string[] = []
  const app = express()
  const limiter = memoryLimiter({ limits })
  let end = (): void => {}
  const timedOut = new Promise<void>((resolve) => (end = resolve))
  app.use((_, response, next) => {
    next()
    response.status(408).end(end)
  })
  const check: typeof limiter.check = async (key, names) => {
    await timedOut
    return limiter.check(key, names)
  }
  app.use(rateLimitMiddleware({ limiter: { ...limiter, check }, names: 'alerts', key: () => 'acme' }))
  app.use(() => void seen.push('handler'))
  app.use((error: unknown, _: express.Request, __: express.Response, next: express.NextFunction) => {
    seen.push('error handler')
    next(error)
  })
  const url = await serve(app)
  expect((await fetch(url)).status).toBe(408)
  await until('the booking', async () => (await limiter.peek('acme', 'alerts')).limits[0]?.remaining === 2 || undefined)
  expect((await fetch(url)).status).toBe(408)
  expect(seen).toEqual([])
})
