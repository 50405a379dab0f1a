import { get } from 'node:http'
import { parseRateLimit } from 'ratelimit-header-parser'
import { parseList } from 'structured-headers'
import { type Limiter, memoryLimiter } from 'switchgear'
import { afterEach, describe, expect, test } from 'vitest'
import { makeDecision } from '../../../src/ports/decision.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { until } from '../../servers/until.ts'
import { type Answer, type Integration, integrations, type Site, type SiteOptions } from './serve.ts'

const clock = virtualClock()
const sites: Site[] = []
afterEach(async () => {
  await Promise.all(sites.splice(0).map((site) => site.close()))
})

const limits = { alerts: { limit: 100, windowMs: 60_000 }, 'ä "new" one': { limit: 3, windowMs: 3_600_000 } }

describe.each(Object.entries(integrations))('limited with %s', (_, serve) => {
  const open = (options: Partial<SiteOptions> = {}, answer?: Answer) => openSite(serve, options, answer)

  test('of 101 requests in a minute exactly 100 pass, and the refused one is told when to come back', async () => {
    const { ask } = await open()
    const passed = await inTurn(50, ask)
    await clock.advanceBy(30_300)
    passed.push(...(await inTurn(50, ask)))
    expect(passed.map(({ status }) => status)).toEqual(Array(100).fill(200))
    const refused = await ask()
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('30')
    await clock.advanceBy(29_000)
    expect((await ask()).status).toBe(429)
    await clock.advanceBy(1_000)
    expect((await ask()).status).toBe(200)
  })

  test('of requests at the same time no more pass, and other organizations are not in their way', async () => {
    const { ask } = await open()
    const all = await Promise.all(Array.from({ length: 130 }, () => ask()))
    expect(all.filter(({ status }) => status === 200)).toHaveLength(100)
    expect(all.filter(({ status }) => status === 429)).toHaveLength(30)
    expect((await ask('/', { organization: 'other' })).status).toBe(200)
  })

  test('every answer says where the limit stands, in fields that others can read', async () => {
    const { ask } = await open()
    const [first] = await inTurn(1, ask)
    expect(legacyOf(first)).toMatchObject({ limit: 100, remaining: 99, used: 1 })
    expect(first?.headers.get('x-ratelimit-reset')).toBe('60')
    expect(itemsOf(first, 'ratelimit-policy')).toEqual([['alerts', { q: 100, w: 60 }]])
    expect(itemsOf(first, 'ratelimit')).toEqual([['alerts', { r: 99, t: 60 }]])
    await clock.advanceBy(10_000)
    const [refused] = (await inTurn(100, ask)).toReversed()
    expect(legacyOf(refused)).toMatchObject({ limit: 100, remaining: 0, used: 100 })
    expect(itemsOf(refused, 'ratelimit')).toEqual([['alerts', { r: 0, t: 50 }]])
    expect(refused?.headers.get('retry-after')).toBe('50')
    expect(refused?.headers.get('x-ratelimit-reset')).toBe('60')
  })

  test('a refusal is a problem that names the limits that are reached, also where their names are odd', async () => {
    const { ask } = await open({ names: ['alerts', 'ä "new" one'] })
    const [refused] = (await inTurn(4, ask)).toReversed()
    expect(refused?.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(await refused?.json()).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
      status: 429,
      detail: 'try again in 60 min',
      'violated-policies': ['ä "new" one'],
    })
    expect(itemsOf(refused, 'ratelimit').map(([name, { r }]) => [name, r])).toEqual([
      ['alerts', 97],
      ['%C3%A4 "new" one', 0],
    ])
    expect(legacyOf(refused)).toMatchObject({ limit: 3, remaining: 0 })
  })

  test('without the old fields the new ones stay', async () => {
    const { ask } = await open({ legacyHeaders: false })
    const { headers } = await ask()
    expect([...headers.keys()].filter((name) => name.includes('ratelimit'))).toEqual(['ratelimit', 'ratelimit-policy'])
  })

  test('what is skipped is not counted, and says nothing of limits', async () => {
    const { ask } = await open({ skip: (field) => field('inside') === 'yes' })
    const [last] = (await inTurn(150, () => ask('/', { inside: 'yes' }))).toReversed()
    expect(last?.status).toBe(200)
    expect(last?.headers.get('ratelimit')).toBeNull()
    expect(await remaining(await ask())).toBe(99)
  })

  test('a request costs what it is said to cost, unless a name has a cost of its own', async () => {
    const { ask } = await open({
      names: ['alerts', { name: 'ä "new" one', cost: 1 }],
      cost: (field) => Number(field('cost')),
    })
    expect(itemsOf(await ask('/', { cost: '40' }), 'ratelimit').map(([, { r }]) => r)).toEqual([60, 2])
    expect(itemsOf(await ask('/', { cost: '61' }), 'ratelimit').map(([, { r }]) => r)).toEqual([60, 2])
    const never = await ask('/', { cost: '101' })
    expect(never.status).toBe(429)
    expect(never.headers.get('retry-after')).toBeNull()
    expect(await never.json()).toMatchObject({ detail: expect.stringContaining('can never pass') as string })
  })

  test('limits can depend on the request, and the key may be a promise', async () => {
    const { ask } = await open({
      names: (field) => (field('kind') === 'new' ? 'ä "new" one' : 'alerts'),
      key: async (field) => `${field('organization')}`,
    })
    expect(await remaining(await ask())).toBe(99)
    expect(await remaining(await ask('/', { kind: 'new' }))).toBe(2)
  })

  test('an answer that should not count is given back', async () => {
    const { ask, limiter } = await open(
      { refundWhen: (status) => status === 404 },
      (path) => ({ '/none': 404, '/wrong': 400 })[path] ?? 200,
    )
    await inTurn(120, async () => {
      const { status } = await ask('/none')
      await until('the refund', async () => (await leftOf(limiter)) === 100 || undefined)
      expect(status).toBe(404)
    })
    await ask('/wrong')
    await ask()
    expect(await leftOf(limiter)).toBe(98)
  })

  test('a refund that fails, or a rule for it that throws, harms nobody and is said', async () => {
    const told: string[] = []
    const note = (_: object, message: string) => void told.push(message)
    const { ask, limiter } = await open({
      refundWhen: () => {
        throw new Error('no rule')
      },
      logger: { info: note, warn: note, error: note },
    })
    expect((await ask()).status).toBe(200)
    await until('the message', () => told[0])
    expect(told).toEqual(['a request that should not count was not given back to its limit'])
    expect(await leftOf(limiter)).toBe(99)
  })

  test.each<[string, Partial<SiteOptions>]>([
    ['key', { key: () => thrown() }],
    ['key, later', { key: async () => thrown() }],
    ['cost', { cost: () => thrown() }],
    ['skip', { skip: () => thrown() }],
    ['names', { names: () => thrown() }],
    ['a cost of nothing', { cost: () => 0 }],
    ['a key that is no text', { key: (field) => field('nowhere') as string }],
    ['a name that there is none of', { names: 'letters' }],
  ])('an error of %s is answered by the framework, and nothing is booked', async (_, options) => {
    const { ask, limiter } = await open(options)
    expect((await ask()).status).toBe(500)
    expect(await leftOf(limiter)).toBe(100)
  })

  test.each([
    ['longer than 128 characters', 'k'.repeat(129), 400],
    ['empty', '', 400],
    ['of 128 characters', 'k'.repeat(128), 200],
  ])('a key that is %s, as a header may have it, is answered as it should be', async (_, key, status) => {
    const { ask, limiter } = await open({ key: async () => key })
    const answer = await ask()
    expect(answer.status).toBe(status)
    if (status === 200) return
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    const problem = await answer.json()
    expect(problem).toMatchObject({ type: 'urn:switchgear:problem:unusable-key', status: 400 })
    expect(JSON.stringify(problem)).not.toContain('kkk')
    expect(await leftOf(limiter)).toBe(100)
  })

  test('a limiter without room for one more key is a 503 that says when to come back', async () => {
    const limiter = memoryLimiter({ limits, clock, keysMax: 1 })
    const { ask } = await open({ limiter })
    expect((await ask()).status).toBe(200)
    const answer = await ask('/', { organization: 'other' })
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  })

  test('when the store cannot be asked the request passes, and nothing is said of what is left', async () => {
    const limiter = degradedLimiter()
    const { ask } = await open({ limiter })
    const { status, headers } = await ask()
    expect(status).toBe(200)
    expect(headers.get('ratelimit-policy')).toBe('"alerts";q=100;w=60')
    expect(headers.get('ratelimit')).toBeNull()
    expect(headers.get('x-ratelimit-remaining')).toBeNull()
  })
})

describe.each([integrations.fastify, integrations.express, integrations.node])('a server that streams', (serve) => {
  test('whoever hangs up before the answer is counted all the same', async () => {
    let release = (): void => {}
    const answered = new Promise<number>((resolve) => (release = () => resolve(404)))
    const { limiter, site } = await openSite(serve, { refundWhen: (status) => status === 404 }, async (path) =>
      path === '/slow' ? answered : 404,
    )
    const request = get(`${site.url}/slow`, { headers: { organization: 'acme' } }).on('error', () => {})
    await until('the booking', async () => (await leftOf(limiter)) === 99 || undefined)
    request.destroy()
    await until('the server to see it', async () => (await site.connections()) === 0 || undefined)
    release()
    // Another request of which the refund is seen: by then one of the first would have been, too.
    await inTurn(3, async () => fetch(`${site.url}/`, { headers: { organization: 'acme' } }))
    await until('the other refunds', async () => (await leftOf(limiter)) === 99 || undefined)
  })
})

/** A site with limits of its own, and what asks it for a path, as an organization. */
async function openSite(serve: Integration, options: Partial<SiteOptions>, answer?: Answer) {
  const limiter = memoryLimiter({ limits, clock })
  const site = await serve({ limiter, names: 'alerts', ...options }, answer)
  sites.push(site)
  const ask = (path = '/', fields: Record<string, string> = {}) =>
    fetch(`${site.url}${path}`, { headers: { organization: 'acme', ...fields }, redirect: 'manual' })
  return { limiter, ask, site }
}

function thrown(): never {
  throw new Error('thrown')
}

/** What the limiter of a store says that is away, and lets all pass. */
function degradedLimiter(): Limiter {
  const limiter = memoryLimiter({ limits })
  const check: Limiter['check'] = async (key, names) =>
    makeDecision({ ...(await limiter.peek(key, names)), degraded: true })
  return { ...limiter, check }
}

async function inTurn<T>(times: number, act: () => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let index = 0; index < times; index += 1) results.push(await act())
  return results
}

async function leftOf(limiter: Limiter): Promise<number | undefined> {
  return (await limiter.peek('acme', 'alerts')).limits[0]?.remaining
}

async function remaining(response: Response): Promise<number> {
  await response.text()
  return Number(response.headers.get('x-ratelimit-remaining'))
}

/** The fields of old, as an independent parser reads them. It takes `RateLimit` for that of an earlier draft. */
function legacyOf(response: Response | undefined) {
  const old = [...(response?.headers ?? [])].filter(([name]) => name !== 'ratelimit')
  return parseRateLimit(Object.fromEntries(old))
}

function itemsOf(response: Response | undefined, field: string): [unknown, Record<string, unknown>][] {
  return parseList(response?.headers.get(field) ?? '').map(([name, parameters]) => [
    name,
    Object.fromEntries(parameters),
  ])
}
