import { memoryLimiter } from 'switchgear'
import { limited, type RateLimitOptions } from 'switchgear/http'
import { expect, test } from 'vitest'

const limits = { alerts: { limit: 3, windowMs: 60_000 }, email: { limit: 2, windowMs: 3_600_000 } }
const request = new Request('http://127.0.0.1/')

function options(): RateLimitOptions<Request, Response> {
  return { limiter: memoryLimiter({ limits }), names: 'alerts', key: () => 'acme' }
}

test('a redirect keeps what it says, though its headers cannot be changed', async () => {
  const answer = await limited(() => Response.redirect('http://127.0.0.1/there', 307), options())(request)
  expect([answer.status, answer.headers.get('location')]).toEqual([307, 'http://127.0.0.1/there'])
  expect(answer.headers.get('ratelimit')).toBe('"alerts";r=2;t=60')
})

test('a response without a body and a response that is an error come back as they are', async () => {
  const empty = await limited(() => new Response(null, { status: 204 }), options())(request)
  expect([empty.status, empty.body, empty.headers.get('ratelimit')]).toEqual([204, null, '"alerts";r=2;t=60'])
  const error = Response.error()
  expect(await limited(() => error, options())(request)).toBe(error)
})

test('whatever else the handler is called with reaches it, typed', async () => {
  const handle = limited((_: Request, context: { readonly id: number }) => Response.json(context.id), options())
  expect(await (await handle(request, { id: 7 })).json()).toBe(7)
})

test('what the handler throws passes through, and the call counts', async () => {
  const given = options()
  const handle = limited(() => Promise.reject(new Error('broken')), { ...given, refundWhen: () => true })
  await expect(handle(request)).rejects.toThrow('broken')
  expect((await given.limiter.peek('acme', 'alerts')).limits[0]?.remaining).toBe(2)
})

test('one within the other asks for both, and the answer says where each stands', async () => {
  const limiter = memoryLimiter({ limits })
  const within = limited(() => new Response('done'), { limiter, names: 'email', key: () => 'acme' })
  const handle = limited(within, { limiter, names: 'alerts', key: () => 'acme' })
  expect((await handle(new Request(request))).headers.get('ratelimit')).toBe('"alerts";r=2;t=60, "email";r=1;t=3600')
  await handle(new Request(request))
  const refused = await handle(new Request(request))
  expect(refused.status).toBe(429)
  expect(refused.headers.get('ratelimit')).toBe('"alerts";r=0;t=60, "email";r=0;t=3600')
})
