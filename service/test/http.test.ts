import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { serve, type Service } from '../src/serve.ts'
import { readSettings } from '../src/settings.ts'
import { prepareData } from './store/prepare-data.ts'

const plenty = { limit: 1_000_000, windowMs: 60_000 }
const acme = {
  receivers: [
    { name: 'ops', channel: 'email', to: ['ops@acme.example'] },
    { name: 'room', channel: 'slack' },
  ],
  limits: { alerts: plenty, email: plenty, slack: plenty },
  silences: [{ match: { type: 'silenced' }, until: '2099-01-01T00:00:00Z', by: 'ann', reason: 'migration' }],
}
const config = { organizations: { acme, globex: { receivers: [] } } }

const good = {
  organization: 'acme',
  severity: 'high',
  status: 'firing',
  type: 'disk',
  title: 'Disk full',
  message: 'No space is left',
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

let folder: string
let open: Service
let guarded: Service

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-http-'))
  const file = join(folder, 'switchgear.config.json')
  writeFileSync(file, JSON.stringify(config))
  const common = { SWITCHGEAR_CONFIG: file, PORT: '0', LOG_LEVEL: 'silent' }
  await Promise.all(['open', 'guarded'].map((name) => prepareData(join(folder, name))))
  open = await serve(readSettings({ ...common, DATA_DIR: join(folder, 'open') }))
  const tokens = 'acme:acme-token,globex:globex-token,*:operator-token'
  guarded = await serve(readSettings({ ...common, DATA_DIR: join(folder, 'guarded'), SWITCHGEAR_TOKENS: tokens }))
})
afterAll(async () => {
  await Promise.all([open.stop(), guarded.stop()])
  rmSync(folder, { recursive: true, force: true })
})

async function ask(service: Service, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${service.url}${path}`, init)
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  }
}

const raw = (body: string | undefined, headers: Record<string, string> = {}, service = open) =>
  ask(service, '/v1/alerts', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body }),
  })
const post = (body: unknown, headers: Record<string, string> = {}, service = open) =>
  raw(JSON.stringify(body), headers, service)
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const idsOf = ({ body }: Answer) => (body['alerts'] as { id: string }[]).map(({ id }) => id)

describe('POST /v1/alerts', () => {
  it('stores an alert before it answers 202', async () => {
    const answer = await post({ ...good, labels: { host: 'db-1' } })
    expect(answer.status).toBe(202)
    const [id = ''] = idsOf(answer)
    const stored = await ask(open, `/v1/alerts/${id}`)
    expect(stored).toMatchObject({ status: 200, body: { ...good, id, labels: { host: 'db-1' } } })
    expect((stored.body['receivers'] as { name: string }[]).map(({ name }) => name)).toEqual(['ops', 'room'])
  })

  it('takes up to 100 in one request, and answers in their order', async () => {
    const alerts = Array.from({ length: 100 }, (_, index) => ({ ...good, id: `of-many-${index}` }))
    const answer = await post(alerts)
    expect(answer.status).toBe(202)
    expect(idsOf(answer)).toEqual(alerts.map(({ id }) => id))
  })

  it('answers the same body under the same id as before, and 409 for another one', async () => {
    const alert = { ...good, id: 'once' }
    expect(await post(alert)).toMatchObject({ status: 202, body: { alerts: [{ id: 'once' }] } })
    expect(await post(alert)).toMatchObject({ status: 202, body: { alerts: [{ id: 'once' }] } })
    expect(await post({ ...alert, title: 'Other' })).toMatchObject({
      status: 409,
      body: { status: 409, errors: [{ path: 'id' }] },
    })
    expect(
      await post([
        { ...good, id: 'twice' },
        { ...alert, title: 'Other' },
      ]),
    ).toMatchObject({
      status: 409,
      body: { errors: [{ path: '1.id' }] },
    })
    expect((await ask(open, '/v1/alerts/twice')).status).toBe(404)
  })

  it('takes Idempotency-Key for the id of a single alert that has none', async () => {
    const headers = { 'idempotency-key': '"key-1"' }
    expect(idsOf(await post(good, headers))).toEqual(['key-1'])
    expect(idsOf(await post(good, headers))).toEqual(['key-1'])
    expect((await post({ ...good, title: 'Other' }, headers)).status).toBe(409)
    expect(idsOf(await post({ ...good, id: 'own-1' }, headers))).toEqual(['own-1'])
    expect((await post(good, { 'idempotency-key': 'x'.repeat(200) })).body).toMatchObject({
      errors: [{ path: 'idempotency-key' }],
    })
  })

  it('stores a duplicate of a deduplication key as such', async () => {
    const first = await post({ ...good, dedupKey: 'disk:db-1' })
    const [original] = idsOf(first)
    const second = await post({ ...good, dedupKey: 'disk:db-1' })
    expect(second.body).toMatchObject({ alerts: [{ duplicateOf: original }] })
    const [id = ''] = idsOf(second)
    expect((await ask(open, `/v1/alerts/${id}`)).body).toMatchObject({ duplicateOf: original, receivers: [] })
    expect((await post({ ...good, dedupKey: 'disk:db-1', status: 'resolved' })).body).not.toMatchObject({
      alerts: [{ duplicateOf: original }],
    })
  })

  it('records silenced receivers', async () => {
    const [id = ''] = idsOf(await post({ ...good, type: 'silenced' }))
    expect((await ask(open, `/v1/alerts/${id}`)).body).toMatchObject({
      receivers: [{ state: 'silenced' }, { state: 'silenced' }],
    })
  })

  it('puts what has no channel into the outbox', async () => {
    const [id = ''] = idsOf(await post({ ...good, title: 'Look here' }))
    await until('both messages to be in the outbox', async () => {
      const { receivers } = (await ask(open, `/v1/alerts/${id}`)).body as { receivers: { reason?: string }[] }
      return receivers.every(({ reason }) => reason === 'outbox') ? true : undefined
    })
    const { body } = await ask(open, '/v1/outbox?organization=acme&limit=100')
    const items = (body['items'] as { alertId: string; channel: string; message: object }[]).filter(
      ({ alertId }) => alertId === id,
    )
    expect(items.map(({ channel }) => channel).toSorted()).toEqual(['email', 'slack'])
    expect(JSON.stringify(items)).toContain('Look here')
  })

  const missing = (key: string) => Object.fromEntries(Object.entries(good).filter(([name]) => name !== key))

  it.each<[string, string | undefined, number, string]>([
    ['nothing', undefined, 400, 'line 1'],
    ['an empty body', '', 400, ''],
    ['what is not JSON', '{"organization": "acme",}', 400, 'line 1, column 25'],
    ['JSON cut short', '{"organization": "ac', 400, 'line 1, column 18'],
    ['two documents', '{}{}', 400, 'line 1, column 3'],
    ['null', 'null', 400, 'the body'],
    ['a number', '42', 400, 'the body'],
    ['an empty list', '[]', 400, 'the body'],
    ['a list of lists', '[[]]', 400, '0'],
    ['101 alerts', JSON.stringify(Array.from({ length: 101 }, () => good)), 400, 'the body'],
    ['no organization', JSON.stringify(missing('organization')), 400, 'organization'],
    ['no severity', JSON.stringify(missing('severity')), 400, 'severity'],
    ['an unknown severity', JSON.stringify({ ...good, severity: 'bad' }), 400, 'severity'],
    ['an unknown status', JSON.stringify({ ...good, status: 'open' }), 400, 'status'],
    ['an unknown key', JSON.stringify({ ...good, dedupkey: 'x' }), 400, 'dedupkey'],
    ['an empty title', JSON.stringify({ ...good, title: '' }), 400, 'title'],
    ['a title that is too long', JSON.stringify({ ...good, title: 'x'.repeat(501) }), 400, 'title'],
    ['an id that is too long', JSON.stringify({ ...good, id: 'x'.repeat(129) }), 400, 'id'],
    ['a number for an id', JSON.stringify({ ...good, id: 5 }), 400, 'id'],
    ['NUL', JSON.stringify({ ...good, message: 'a\0b' }), 400, 'message'],
    ['half a pair', JSON.stringify({ ...good, message: '\ud83d' }), 400, 'message'],
    ['labels that are no texts', JSON.stringify({ ...good, labels: { a: 1 } }), 400, 'labels.a'],
    [
      'too many labels',
      JSON.stringify({ ...good, labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, 'x'])) }),
      400,
      'labels',
    ],
    ['an instant in words', JSON.stringify({ ...good, occurredAt: 'now' }), 400, 'occurredAt'],
    ['__proto__', `{"__proto__": {}, "organization": "acme"}`, 400, '__proto__'],
    ['__proto__ in clothes', `{"\\u005f\\u005fproto__": {}, "organization": "acme"}`, 400, '__proto__'],
    ['an unknown organization', JSON.stringify({ ...good, organization: 'initech' }), 422, 'organization'],
    [
      'an unknown organization in a list',
      JSON.stringify([good, { ...good, organization: 'initech' }]),
      422,
      '1.organization',
    ],
    ['one bad alert in a list', JSON.stringify([good, { ...good, title: 5 }]), 400, '1.title'],
    ['more than 1 MiB', JSON.stringify({ ...good, message: 'x'.repeat(1_048_576) }), 413, '1 MiB'],
  ])('refuses %s, naming the place', async (_what, body, status, place) => {
    const answer = await raw(body)
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(answer.body).toMatchObject({
      status,
      title: expect.any(String) as string,
      type: expect.any(String) as string,
    })
    expect(answer.body['detail']).toContain(place)
  })

  it('stores nothing of a refused list', async () => {
    await post([
      { ...good, id: 'with-a-bad-one' },
      { ...good, organization: 'initech' },
    ])
    await post([
      { ...good, id: 'with-a-bad-one' },
      { ...good, title: 5 },
    ])
    expect((await ask(open, '/v1/alerts/with-a-bad-one')).status).toBe(404)
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml'])(
    'answers 415 to %s',
    async (type) => {
      expect(await raw('{}', { 'content-type': type })).toMatchObject({ status: 415, body: { status: 415 } })
    },
  )
})

describe('GET /v1/alerts/:id', () => {
  it.each(['%00', 'x'.repeat(129)])('refuses what can be no id: %s', async (id) => {
    const { status, body } = await ask(open, `/v1/alerts/${id}`)
    expect(status).toBe(400)
    expect(body['errors']).toMatchObject([{ path: 'id' }])
  })
})

describe('every error', () => {
  it.each([
    ['GET', '/nothing', 404],
    ['GET', '/v1/alerts', 404],
    ['DELETE', '/v1/alerts/x', 404],
    ['GET', '/v1/alerts/unknown', 404],
    ['GET', `/v1/alerts/${'x'.repeat(5_000)}`, 414],
    ['GET', '/v1/alerts/%E0%A4%A', 400],
    ['GET', '/v1/outbox?limit=0', 400],
    ['GET', '/v1/outbox?limit=many', 400],
    ['GET', '/v1/outbox?page=2', 400],
  ])('is a problem document: %s %.40s', async (method, path, status) => {
    const answer = await ask(open, path, { method })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(answer.body).toMatchObject({ status })
  })
})

describe('what is no request', () => {
  it.each([
    ['headers that are too large', `GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['what is not HTTP', 'hello\r\n\r\n', 400],
  ])('is answered with a problem, too: %s', async (_what, sent, status) => {
    const socket = connect(Number(new URL(open.url).port), '127.0.0.1')
    socket.write(sent)
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(head).toContain('content-type: application/problem+json')
    expect(JSON.parse(body)).toMatchObject({ status, type: 'about:blank' })
  })
})

describe('tokens', () => {
  it.each([
    ['none', {}],
    ['an unknown one', bearer('acme-token-2')],
    ['the beginning of one', bearer('acme-toke')],
    ['another scheme', { authorization: 'Basic acme-token' }],
  ])('are asked for: %s is answered 401', async (_what, headers) => {
    for (const path of ['/v1/alerts/x', '/v1/outbox', '/v1/breakers']) {
      const answer = await ask(guarded, path, { headers })
      expect(answer).toMatchObject({ status: 401, body: { status: 401 } })
      expect(answer.headers.get('www-authenticate')).toContain('Bearer')
    }
    expect((await post(good, headers as Record<string, string>, guarded)).status).toBe(401)
  })

  it('of an organization see and change its own things only', async () => {
    const [id = ''] = idsOf(await post({ ...good, id: 'mine' }, bearer('acme-token'), guarded))
    const foreign = bearer('globex-token')
    expect((await ask(guarded, `/v1/alerts/${id}`, { headers: bearer('acme-token') })).status).toBe(200)
    expect((await ask(guarded, `/v1/alerts/${id}`, { headers: foreign })).status).toBe(404)
    expect((await ask(guarded, `/v1/alerts/${id}?organization=acme`, { headers: foreign })).status).toBe(403)
    expect((await ask(guarded, '/v1/outbox?organization=acme', { headers: foreign })).status).toBe(403)
    expect((await post(good, foreign, guarded)).status).toBe(403)
    expect((await post([{ ...good, organization: 'globex' }, good], foreign, guarded)).status).toBe(403)
    await until('the outbox to hold it', async () => {
      const { body } = await ask(guarded, '/v1/outbox', { headers: bearer('acme-token') })
      return (body['items'] as unknown[]).length > 0 ? true : undefined
    })
    expect((await ask(guarded, '/v1/outbox', { headers: foreign })).body).toEqual({ items: [] })
  })

  it('do not let an organization see which ids another one uses', async () => {
    await post({ ...good, id: 'shared' }, bearer('acme-token'), guarded)
    const theirs = { ...good, organization: 'globex', id: 'shared', title: 'Another' }
    expect((await post(theirs, bearer('globex-token'), guarded)).status).toBe(202)
    const operator = bearer('operator-token')
    expect((await ask(guarded, '/v1/alerts/shared', { headers: operator })).status).toBe(409)
    expect((await ask(guarded, '/v1/alerts/shared?organization=globex', { headers: operator })).body).toMatchObject({
      title: 'Another',
    })
  })

  it('are not asked for by the probes and the description', async () => {
    for (const path of ['/healthz', '/readyz', '/openapi.json']) expect((await ask(guarded, path)).status).toBe(200)
  })

  it('are needed by who comes by another name than this machine', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const { hostname, port } = new URL(open.url)
      const socket = connect(Number(port), hostname, () => {
        socket.write('GET /v1/outbox HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n')
      })
      let text = ''
      socket.on('data', (chunk) => (text += String(chunk)))
      socket.on('end', () => resolve(text))
      socket.on('error', reject)
    })
    expect(answer).toContain('403 Forbidden')
    expect(answer).toContain('SWITCHGEAR_TOKENS')
  })
})

describe('the description', () => {
  it('is OpenAPI 3.1, made from the schemas that check', async () => {
    const { body } = await ask(open, '/openapi.json')
    expect(body['openapi']).toBe('3.1.0')
    const known = [
      '/healthz',
      '/readyz',
      '/v1/alerts',
      '/v1/alerts/{id}',
      '/v1/breakers',
      '/v1/breakers/{name}/disable',
      '/v1/breakers/{name}/force-open',
      '/v1/breakers/{name}/history',
      '/v1/breakers/{name}/release',
      '/v1/cache',
      '/v1/cache/invalidate',
      '/v1/dead-letters',
      '/v1/dead-letters/park',
      '/v1/dead-letters/purge',
      '/v1/dead-letters/redrive',
      '/v1/dead-letters/stats',
      '/v1/dead-letters/unpark',
      '/v1/dead-letters/{id}',
      '/v1/limits',
      '/v1/limits/suggestions',
      '/v1/outbox',
      '/v1/redrives',
      '/v1/redrives/{id}',
      '/v1/search',
      '/v1/stats/counts',
      '/v1/stats/distribution',
      '/v1/stats/overview',
      '/v1/stats/trends',
    ]
    expect(Object.keys(body['paths'] as object)).toEqual(expect.arrayContaining(known))
    expect(JSON.stringify(body)).toContain('dedupKey')
  })
})
