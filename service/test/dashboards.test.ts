import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { dashboardAlert, dashboardClient, type DashboardClient } from './servers/dashboard-client.ts'
import { type ServiceProcess, startService } from './servers/service-process.ts'
import { startPostgres } from './store/start-databases.ts'

/** The settings that name a database, and how to end it. */
async function startNothing(): Promise<{ settings: Record<string, string>; end: () => Promise<void> }> {
  return { settings: {}, end: async () => {} }
}

async function startServer(): Promise<{ settings: Record<string, string>; end: () => Promise<void> }> {
  const { url, end } = await startPostgres()
  return { settings: { DATABASE_URL: url }, end }
}

const names = ['acme', 'globex', 'initech', 'umbrella', 'hooli']
const tokens = [...names.map((name) => `${name}:${name}-token`), '*:operator-token'].join(',')
const today = (): string => new Date().toISOString().slice(0, 10)

describe.each([
  ['PGlite', startNothing],
  ['PostgreSQL', startServer],
])('dashboards of a service on %s', (_name, startDatabase) => {
  let folder: string
  let end: () => Promise<void>
  let service: ServiceProcess
  const as = (name: string): DashboardClient => dashboardClient(service.url, `${name}-token`)

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'switchgear-dashboards-'))
    const database = await startDatabase()
    end = database.end
    const file = join(folder, 'switchgear.config.json')
    const organizations = Object.fromEntries(names.map((name) => [name, { receivers: [] }]))
    const receivers = [{ name: 'room', channel: 'slack' }]
    writeFileSync(file, JSON.stringify({ organizations: { ...organizations, hooli: { receivers } } }))
    service = await startService(folder, {
      SWITCHGEAR_CONFIG: file,
      SWITCHGEAR_TOKENS: tokens,
      ...database.settings,
    })
  })
  afterAll(async () => {
    expect(await service.terminate()).toBe(0)
    await end()
    rmSync(folder, { recursive: true, force: true })
  })

  it('have the numbers and the alerts of one organization, from the cache the second time', async () => {
    const [client, other] = [as('acme'), as('globex')]
    const alerts = [
      dashboardAlert('acme', { severity: 'critical', labels: { host: 'db-1' } }),
      dashboardAlert('acme', { type: 'cpu', title: 'CPU is hot' }),
      dashboardAlert('acme', { status: 'resolved', title: '100% of db-1' }),
    ]
    expect((await client.post('/v1/alerts', alerts)).status).toBe(202)
    await until('the numbers', async () => (await client.get('/v1/stats/counts')).body['total'] === 3 || undefined)
    const counts = { total: 3, firing: 2, resolved: 1 }
    const expected: [string, object][] = [
      ['/v1/stats/counts', counts],
      ['/v1/stats/overview', { ...counts, bySeverity: { critical: 1, high: 2 }, byType: { disk: 2, cpu: 1 } }],
      ['/v1/stats/distribution?by=severity', { by: 'severity', counts: { critical: 1, high: 2 } }],
      ['/v1/stats/distribution?by=status', { by: 'status', counts: { firing: 2, resolved: 1 } }],
      ['/v1/stats/distribution?by=type', { by: 'type', counts: { disk: 2, cpu: 1 } }],
    ]
    for (const [path, body] of expected) {
      await client.get(path)
      expect(await client.get(path), path).toMatchObject({ status: 200, xCache: 'hit', body })
      expect((await other.get(path)).xCache, path).toBe('miss')
    }
    const trends = await client.get('/v1/stats/trends?days=30')
    expect(trends).toMatchObject({ status: 200, xCache: 'miss', body: { days: 30 } })
    expect(trends.body['series']).toHaveLength(30)
    expect((trends.body['series'] as object[]).at(-1)).toEqual({ date: today(), count: 3 })
    expect((await client.get('/v1/stats/trends?days=30')).xCache).toBe('hit')
    expect((await other.get('/v1/stats/counts')).body).toEqual({ total: 0, firing: 0, resolved: 0 })

    const found = await client.get('/v1/search?q=DB-1&limit=1')
    expect(found).toMatchObject({ status: 200, xCache: 'miss', body: { next: expect.any(String) as string } })
    const next = encodeURIComponent(String(found.body['next']))
    const rest = await client.get(`/v1/search?q=DB-1&limit=1&cursor=${next}`)
    const items = [found, rest].flatMap(({ body }) => body['items'] as { title: string }[])
    expect(items.map(({ title }) => title).toSorted()).toEqual(['100% of db-1', 'Disk full'])
    expect(rest.body['next']).toBeUndefined()
    expect((await client.get('/v1/search?q=DB-1&limit=1')).xCache).toBe('hit')
    expect((await other.get('/v1/search?q=db-1')).body).toEqual({ items: [] })
    expect((await as('operator').get('/v1/search?q=db-1&organization=acme')).body['items']).toHaveLength(2)
  })

  it('show what was stored a second later at most, however often they ask', async () => {
    const client = as('hooli')
    const paths = ['/v1/stats/overview', '/v1/stats/counts', '/v1/search?q=disk']
    for (let stored = 1; stored <= 5; stored += 1) {
      expect((await client.post('/v1/alerts', dashboardAlert('hooli'))).status).toBe(202)
      const storedAt = performance.now()
      for (const path of paths)
        await until(`${path} to have ${stored}`, async () => {
          const { body } = await client.get(path)
          const total = path.startsWith('/v1/search') ? (body['items'] as object[]).length : body['total']
          return total === stored || undefined
        })
      // A second, and what a busy machine takes; what nobody invalidates is shown for 30 s and more.
      expect(performance.now() - storedAt).toBeLessThan(15_000)
    }
  })

  it('invalidate by scope, each organization its own, and the operator any', async () => {
    const [client, operator] = [as('initech'), as('operator')]
    const xCache = async () => [
      (await client.get('/v1/stats/overview')).xCache,
      (await client.get('/v1/stats/counts')).xCache,
      (await client.get('/v1/search?q=x')).xCache,
    ]
    expect(await xCache()).toEqual(['miss', 'miss', 'miss'])
    expect(await xCache()).toEqual(['hit', 'hit', 'hit'])
    expect(await client.post('/v1/cache/invalidate', { scope: 'counts' })).toMatchObject({
      status: 200,
      body: { organization: 'initech', scope: 'counts' },
    })
    expect(await xCache()).toEqual(['hit', 'miss', 'hit'])
    await client.post('/v1/cache/invalidate', { organization: 'initech', scope: 'search' })
    expect(await xCache()).toEqual(['hit', 'hit', 'miss'])
    await as('globex').post('/v1/cache/invalidate', { scope: 'all' })
    expect(await as('globex').post('/v1/cache/invalidate', { organization: 'initech', scope: 'all' })).toMatchObject({
      status: 403,
    })
    expect(await xCache()).toEqual(['hit', 'hit', 'hit'])
    await operator.post('/v1/cache/invalidate', { organization: 'initech', scope: 'all' })
    expect(await xCache()).toEqual(['miss', 'miss', 'miss'])
  })

  it.each([
    ['operator', '/v1/stats/overview', 400, 'organization'],
    ['operator', '/v1/search?q=x', 400, 'organization'],
    ['acme', '/v1/stats/counts?organization=globex', 403, undefined],
    ['acme', '/v1/search?q=x&organization=globex', 403, undefined],
    ['acme', '/v1/stats/counts?organisation=acme', 400, 'organisation'],
    ['acme', '/v1/stats/distribution', 400, 'by'],
    ['acme', '/v1/stats/distribution?by=title', 400, 'by'],
    ['acme', '/v1/stats/trends?days=6', 400, 'days'],
    ['acme', '/v1/stats/trends?days=91', 400, 'days'],
    ['acme', '/v1/stats/trends?days=7.5', 400, 'days'],
    ['acme', '/v1/search', 400, 'q'],
    ['acme', '/v1/search?q=', 400, 'q'],
    ['acme', `/v1/search?q=${'x'.repeat(201)}`, 400, 'q'],
    ['acme', '/v1/search?q=x&limit=101', 400, 'limit'],
    ['acme', '/v1/search?q=x&cursor=x', 400, 'cursor'],
    ['nobody', '/v1/stats/counts', 401, undefined],
  ])('tell %s that %s is answered %i', async (name, path, status, place) => {
    const answer = await as(name).get(path)
    expect(answer).toMatchObject({ status, xCache: null })
    expect(answer.type).toContain('application/problem+json')
    if (place !== undefined) expect(answer.body['errors']).toMatchObject([{ path: place }])
  })

  it.each([
    [{}, 'scope'],
    [{ scope: 'some' }, 'scope'],
    [{ scope: 'all', kind: 'stats' }, 'kind'],
  ])('do not invalidate %o', async (body, place) => {
    const answer = await as('acme').post('/v1/cache/invalidate', body)
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: place }] } })
  })

  it('show how the cache is used, and stand in the OpenAPI document', async () => {
    const client = as('umbrella')
    const before = await client.get('/v1/cache')
    for (let read = 0; read < 4; read += 1) await client.get('/v1/stats/counts')
    const after = await client.get('/v1/cache')
    const of = (answer: typeof before, what: string) => Number(answer.body[what])
    expect([of(after, 'hits') - of(before, 'hits'), of(after, 'loads') - of(before, 'loads')]).toEqual([3, 1])
    expect(after.body).toMatchObject({ tiers: { local: {}, shared: {} }, kinds: { counts: {} } })
    const { paths } = (await client.get('/openapi.json')).body as { paths: Record<string, unknown> }
    for (const path of ['overview', 'distribution', 'trends', 'counts'].map((each) => `/v1/stats/${each}`))
      expect(paths[path]).toHaveProperty('get')
    expect(paths['/v1/search']).toHaveProperty('get')
    expect(paths['/v1/cache/invalidate']).toHaveProperty('post')
  })
})
