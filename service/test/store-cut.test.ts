import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sized } from '../../test/sized.ts'
import { until } from '../../test/servers/until.ts'
import { serve, type Service } from '../src/serve.ts'
import { readSettings } from '../src/settings.ts'
import { startPostgres } from './store/start-databases.ts'

/** Of the connections that are cut, and of the alerts: others may use the same server. */
const name = `cut-${randomUUID()}`

let database: Awaited<ReturnType<typeof startPostgres>>
let service: Service
const folder = mkdtempSync(join(tmpdir(), 'switchgear-cut-'))
beforeAll(async () => {
  database = await startPostgres()
  const url = new URL(database.url)
  url.searchParams.set('application_name', name)
  const settings = { PORT: '0', DATA_DIR: folder, DATABASE_URL: url.href, LOG_LEVEL: 'silent' }
  service = await serve(readSettings(settings))
})
afterAll(async () => {
  await service?.stop()
  await database?.end()
  rmSync(folder, { recursive: true, force: true })
})

async function post(id: string): Promise<number> {
  const alert = { organization: 'demo', id, dedupKey: id, severity: 'high', status: 'firing', type: 'disk' }
  const response = await fetch(`${service.url}/v1/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...alert, title: 'Disk full', message: 'sda' }),
  })
  return response.status
}

/** Ends every connection of the service, as a server that restarts does. */
async function cut(): Promise<number> {
  const ended = await database.database.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
    [name],
  )
  return ended.length
}

it('A service whose connections to PostgreSQL are cut again and again lives, and every alert has one outcome', async () => {
  const rounds = sized(8, 100)
  const statuses = new Set<number>()
  let cuts = 0
  for (let round = 0; round < rounds; round += 1)
    await Promise.all([
      ...Array.from({ length: 5 }, async (_, index) =>
        until('the alert to be taken in', async () => {
          const status = await post(`${name}-${round}-${index}`)
          statuses.add(status)
          return status === 202 || undefined
        }),
      ),
      cut().then((count) => (cuts += count)),
    ])
  process.stdout.write(`${cuts} connections were cut while ${rounds * 5} alerts came in: ${[...statuses].join(', ')}\n`)
  expect(cuts).toBeGreaterThan(0)
  expect([...statuses].filter((status) => status !== 202 && status !== 503)).toEqual([])
  const { length: receivers } = service.organizations.get('demo')?.receivers ?? []
  const settled = async (): Promise<readonly unknown[]> =>
    database.database.query(
      `SELECT alert_id FROM receivers WHERE state = 'delivered' AND reason = 'outbox' AND alert_id LIKE $1`,
      [`${name}%`],
    )
  await until(
    'all to be settled',
    async () => (await settled()).length === rounds * 5 * receivers || undefined,
    120_000,
  )
  expect(await database.database.query('SELECT id FROM outbox WHERE alert_id LIKE $1', [`${name}%`])).toHaveLength(
    rounds * 5 * receivers,
  )
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
})
