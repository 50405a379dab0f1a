import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { serve, type Service } from '../src/serve.ts'
import { readSettings } from '../src/settings.ts'
import type { SeenReceiver } from './servers/client.ts'
import { prepareData } from './store/prepare-data.ts'

const minute = 60_000
const destination = 'webhook:hooks.example'
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const limited = (limits: object) => ({
  receivers: [{ name: 'ops', channel: 'email', to: ['ops@acme.example'] }],
  limits,
})
const config = {
  organizations: {
    acme: limited({ alerts: { limit: 3, windowMs: minute } }),
    globex: limited({ alerts: { limit: 2, windowMs: minute } }),
    hooli: limited({ email: { limit: 2, windowMs: minute } }),
    initech: limited({ alerts: { limit: 4, windowMs: minute } }),
    umbrella: limited({ alerts: { limit: 20, windowMs: minute } }),
    plain: { receivers: [] },
    hooked: { receivers: [{ name: 'hook', channel: 'webhook', url: 'https://hooks.example/alerts', secret }] },
  },
}
const tokens = { acme: 'acme-token', hooked: 'hooked-token', '*': 'operator-token' }

let folder: string
let service: Service

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-limits-'))
  const file = join(folder, 'switchgear.config.json')
  writeFileSync(file, JSON.stringify(config))
  await prepareData(folder)
  service = await serve(
    readSettings({
      SWITCHGEAR_CONFIG: file,
      PORT: '0',
      LOG_LEVEL: 'silent',
      DATA_DIR: folder,
      SWITCHGEAR_TOKENS: Object.entries(tokens)
        .join()
        .replaceAll(/([^,]+),([^,]+)/g, '$1:$2'),
    }),
  )
})
afterAll(async () => {
  await service.stop()
  rmSync(folder, { recursive: true, force: true })
})

const alert = { severity: 'high', status: 'firing', type: 'disk', title: 'Disk full', message: 'No space is left' }

async function ask(path: string, init: RequestInit = {}, token = tokens['*']) {
  const headers = { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string> | undefined) }
  const response = await fetch(`${service.url}${path}`, { ...init, headers })
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  }
}
const isList = (value: object | readonly object[]): value is readonly object[] => Array.isArray(value)
const post = (alerts: object | readonly object[], key?: string) =>
  ask('/v1/alerts', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) },
    body: JSON.stringify(isList(alerts) ? alerts.map((each) => ({ ...alert, ...each })) : { ...alert, ...alerts }),
  })
const left = async (organization: string, name = 'alerts') => {
  const { body } = await ask(`/v1/limits?organization=${organization}`)
  const [of] = body['items'] as { limits: { name: string; remaining: number; limit: number }[] }[]
  return of?.limits.find((limit) => limit.name === name)?.remaining
}

describe('the limit of alerts', () => {
  it('lets so many in, says what is left, and then answers 429 with when to come back', async () => {
    const first = await post({ organization: 'acme' })
    expect(first.status).toBe(202)
    expect(first.headers.get('x-ratelimit-limit')).toBe('3')
    expect(first.headers.get('x-ratelimit-remaining')).toBe('2')
    expect(first.headers.get('ratelimit-policy')).toBe('"alerts";q=3;w=60')
    const tooMany = await post([
      { organization: 'acme', id: 'a' },
      { organization: 'acme', id: 'b' },
      { organization: 'acme' },
    ])
    expect(tooMany).toMatchObject({
      status: 429,
      body: {
        type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
        status: 429,
        'violated-policies': ['alerts'],
      },
    })
    expect(tooMany.headers.get('content-type')).toContain('application/problem+json')
    expect(Number(tooMany.headers.get('retry-after'))).toBeGreaterThan(0)
    // All or nothing: neither stored nor counted.
    expect((await ask('/v1/alerts/a')).status).toBe(404)
    expect(await left('acme')).toBe(2)
    expect((await post([{ organization: 'acme' }, { organization: 'acme' }])).status).toBe(202)
    expect((await post({ organization: 'acme' })).status).toBe(429)
  })

  it('of one organization refuses the whole request, and gives back what was booked for others', async () => {
    const mixed = [{ organization: 'globex' }, { organization: 'globex' }, { organization: 'globex' }]
    expect((await post([{ organization: 'initech' }, ...mixed])).status).toBe(429)
    expect(await left('initech')).toBe(4)
    expect(await left('globex')).toBe(2)
  })

  it('counts an alert once that is posted several times at one moment', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => post({ organization: 'umbrella', id: 'race' })))
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 202))
    expect(await left('umbrella')).toBe(19)
  })

  it('counts an alert once, however often it is posted, and answers it also when nothing is left', async () => {
    expect((await post({ organization: 'initech', id: 'once' })).status).toBe(202)
    expect((await post({ organization: 'initech', id: 'once' })).headers.get('x-ratelimit-remaining')).toBe('3')
    const keyed = [
      { organization: 'initech' },
      { organization: 'initech', title: 'Other' },
      { organization: 'initech' },
    ]
    const answer = await post(keyed, 'key-1')
    expect(answer.status).toBe(202)
    expect(await left('initech')).toBe(0)
    expect((await post({ organization: 'initech' })).status).toBe(429)
    const again = await post(keyed, 'key-1')
    expect(again).toMatchObject({ status: 202, body: answer.body })
    expect((await post({ organization: 'initech', id: 'once', title: 'Other' })).status).toBe(409)
  })

  it('is not spent by what is refused for another reason', async () => {
    expect((await post([{ organization: 'globex', id: 'g' }])).status).toBe(202)
    expect((await post([{ organization: 'globex' }, { organization: 'globex', id: 'g', title: 'Other' }])).status).toBe(
      409,
    )
    expect((await post([{ organization: 'globex' }, { organization: 'nobody' }])).status).toBe(422)
    expect(await left('globex')).toBe(1)
  })
})

describe('an Idempotency-Key', () => {
  it('makes the same request the same alerts, and another one a conflict', async () => {
    const two = [{ organization: 'plain' }, { organization: 'plain', title: 'Second' }]
    const answer = await post(two, '"order-7"')
    expect(answer).toMatchObject({ status: 202, body: { alerts: [{ id: 'order-7' }, { id: 'order-7.1' }] } })
    expect(await post(two, 'order-7')).toMatchObject({ status: 202, body: answer.body })
    for (const other of [
      [...two, { organization: 'plain' }],
      two.slice(0, 1),
      two.toReversed(),
      { organization: 'plain' },
    ])
      expect(await post(other, 'order-7')).toMatchObject({ status: 409, body: { status: 409 } })
    expect((await post(two, 'x'.repeat(121))).body).toMatchObject({ errors: [{ path: 'idempotency-key' }] })
  })
})

describe('the limit of a channel', () => {
  it('refuses what is over it, visibly on the alert', async () => {
    const posted = await post([1, 2, 3].map(() => ({ organization: 'hooli' })))
    const ids = (posted.body['alerts'] as { id: string }[]).map(({ id }) => id)
    const receivers = await until('all outcomes', async () => {
      const seen = await Promise.all(ids.map((id) => ask(`/v1/alerts/${id}`)))
      const all = seen.flatMap(({ body }) => body['receivers'] as SeenReceiver[])
      return all.every(({ state }) => state !== 'pending') ? all : undefined
    })
    expect(receivers.map(({ state, reason }) => `${state} ${reason ?? ''}`).toSorted()).toEqual([
      'delivered outbox',
      'delivered outbox',
      'refused rateLimited',
    ])
    expect(await left('hooli', 'email')).toBe(0)
  })
})

describe('GET /v1/limits', () => {
  it('shows an organization its own, and an operator all of them, page by page', async () => {
    const own = await ask('/v1/limits', {}, tokens.acme)
    expect(own.body).toMatchObject({
      items: [
        {
          organization: 'acme',
          degraded: false,
          limits: [{ name: 'alerts', limit: 3 }, { name: 'email', limit: 50 }, {}, {}],
        },
      ],
    })
    expect((await ask('/v1/limits?organization=globex', {}, tokens.acme)).status).toBe(403)
    const names = ({ body }: { body: Record<string, unknown> }) =>
      (body['items'] as { organization: string }[]).map(({ organization }) => organization)
    const page = await ask('/v1/limits?limit=3')
    expect(names(page)).toEqual(['acme', 'globex', 'hooked'])
    expect(names(await ask(`/v1/limits?limit=3&cursor=${String(page.body['next'])}`))).toEqual([
      'hooli',
      'initech',
      'plain',
    ])
  })

  it('suggests limits to operators alone', async () => {
    const { body } = await ask('/v1/limits/suggestions')
    expect(body['items']).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: 'email', refused: 0, overridden: 3 })]),
    )
    expect((await ask('/v1/limits/suggestions', {}, tokens.acme)).status).toBe(403)
  })
})

describe('orders to breakers', () => {
  const order = (what: string, body: object, name = destination, token?: string) =>
    ask(
      `/v1/breakers/${name}/${what}`,
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
      token,
    )

  it('are given by operators, with a name and a reason, and stand in the history', async () => {
    const by = { by: 'ann', reason: 'the relay is being replaced' }
    expect(await order('force-open', { ...by, forMs: 60_000 })).toMatchObject({
      status: 200,
      body: { name: destination, mode: 'forcedOpen', by: 'ann', reason: by.reason },
    })
    expect((await ask('/v1/breakers', {}, tokens.hooked)).body).toMatchObject({
      breakers: [{ name: destination, mode: 'forcedOpen' }],
    })
    expect(await order('release', by)).toMatchObject({ status: 200, body: { mode: 'closed' } })
    expect(await order('disable', by)).toMatchObject({ status: 200, body: { mode: 'disabled' } })
    await order('release', by)
    const history = await ask(`/v1/breakers/${destination}/history?limit=3`, {}, tokens.hooked)
    expect((history.body['items'] as { event: { type: string } }[]).map(({ event }) => event.type)).toEqual([
      'io.switchgear.breaker.released.v1',
      'io.switchgear.breaker.disabled.v1',
      'io.switchgear.breaker.released.v1',
    ])
  })

  it.each<[string, object, string]>([
    ['no name', { reason: 'x' }, 'by'],
    ['no reason', { by: 'ann' }, 'reason'],
    ['an empty reason', { by: 'ann', reason: '' }, 'reason'],
    ['half a millisecond', { by: 'ann', reason: 'x', forMs: 0.5 }, 'forMs'],
    ['a reason that the log has no room for', { by: 'ann', reason: '🚨'.repeat(200) }, 'reason'],
    ['more than there is', { by: 'ann', reason: 'x', force: true }, 'force'],
  ])('are refused with %s, naming the place', async (_what, body, path) => {
    expect(await order('force-open', body)).toMatchObject({ status: 400, body: { errors: [{ path }] } })
  })

  it('are not given by organizations, nor to what guards nothing', async () => {
    const by = { by: 'ann', reason: 'x' }
    expect((await order('force-open', by, destination, tokens.hooked)).status).toBe(403)
    for (const name of ['webhook:nowhere.example', 'outbox:email'])
      expect((await order('force-open', by, name)).status).toBe(404)
    expect((await ask(`/v1/breakers/${destination}/history`, {}, tokens.acme)).status).toBe(404)
  })
})
