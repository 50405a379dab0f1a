import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rowsOf } from '../../test/adapters/telemetry/exposition.ts'
import { until } from '../../test/servers/until.ts'
import { hookAt, type SharedService, startSharedService } from './servers/shared-service.ts'

const tokens = { acme: 'acme-token-0123', '*': 'operator-token-89' }
const plenty = { limit: 1_000, windowMs: 60_000 }

let service: SharedService
beforeAll(async () => {
  const acme = {
    receivers: [hookAt('good.example', 'good'), hookAt('dead.example', 'dead')],
    limits: { alerts: plenty, webhook: plenty },
    silences: [{ match: { type: 'silenced' }, until: '2099-01-01T00:00:00Z', by: 'ann', reason: 'migration' }],
  }
  const engine = { retry: { maxAttempts: 1 }, breakers: { default: { failureThreshold: 2 } } }
  service = await startSharedService(
    { organizations: { acme }, engine },
    { SWITCHGEAR_TOKENS: `acme:${tokens.acme},*:${tokens['*']}` },
  )
  service.dead.add('dead.example')
})
afterAll(() => service.stop())

const ask = (path: string, token: string | undefined, init: RequestInit = {}): Promise<Response> =>
  fetch(`${service.url}${path}`, {
    ...init,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
  })

const alert = { organization: 'acme', severity: 'high', status: 'firing', type: 'disk', title: 'Full', message: 'm' }
const post = (body: object): Promise<Response> =>
  ask('/v1/alerts', tokens.acme, { method: 'POST', body: JSON.stringify(body) })

async function metrics(): Promise<ReadonlyMap<string, number>> {
  return rowsOf(await (await ask('/metrics', tokens['*'])).text())
}

describe('GET /metrics', () => {
  it('is for the operator alone', async () => {
    expect((await ask('/metrics', undefined)).status).toBe(401)
    expect((await ask('/metrics', tokens.acme)).status).toBe(403)
    const answer = await ask('/metrics', tokens['*'])
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=/)
  })

  it('tells of requests, alerts, outcomes, letters, limits and the store', async () => {
    expect((await post(alert)).status).toBe(202)
    expect((await post({ ...alert, type: 'silenced' })).status).toBe(202)
    const rows = await until('every message to have its outcome', async () => {
      const told = await metrics()
      return sumOf(told, 'switchgear_messages_total') === 2 ? told : undefined
    })
    expect(rows.get('switchgear_alerts_total{door="http",result="accepted"}')).toBe(2)
    expect(rows.get('switchgear_http_requests_total{method="POST",route="/v1/alerts",status="202"}')).toBe(2)
    expect(rows.get('switchgear_messages_total{channel="webhook",state="delivered",reason=""}')).toBe(1)
    expect(rows.get('switchgear_messages_total{channel="webhook",state="deadLettered",reason="server_error"}')).toBe(1)
    expect(rows.get('switchgear_dead_letters{channel="webhook"}')).toBe(1)
    expect(rows.get('switchgear_messages_pending')).toBe(0)
    expect(rows.get('switchgear_pipeline_items{pipeline="delivery",state="inFlight"}')).toBe(0)
    expect(rows.get('switchgear_messages_overdue_seconds')).toBe(0)
    expect(sumOf(rows, 'switchgear_limit_decisions_total')).toBeGreaterThan(0)
    expect(rows.get('switchgear_store_duration_seconds_count{operation="query"}')).toBeGreaterThan(0)
    expect(rows.get('process_cpu_seconds_total')).toBeGreaterThan(0)
  })

  it('makes no row for each address or method that somebody makes up', async () => {
    for (const path of ['/one', '/two', '/three?x=1']) expect((await ask(path, undefined)).status).toBe(404)
    const rows = await metrics()
    expect(rows.get('switchgear_http_requests_total{method="GET",route="none",status="404"}')).toBe(3)
  })
})

function sumOf(rows: ReadonlyMap<string, number>, name: string): number {
  return [...rows].filter(([row]) => row.startsWith(`${name}{`)).reduce((sum, [, value]) => sum + value, 0)
}
