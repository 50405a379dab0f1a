import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openAlertStore } from '../../src/store/alert-store.ts'
import type { Database, Row } from '../../src/store/database.ts'
import { firstSchema } from './first-schema.ts'
import { startPglite, startPostgres, type TestDatabase } from './start-databases.ts'

const day = 86_400_000
const destination = 'email:mail.example'

async function emptied(database: Database): Promise<void> {
  await database.query('DROP SCHEMA public CASCADE')
  await database.query('CREATE SCHEMA public')
}

/** What the first version left behind: a message that waits, one that arrived, one that met an open breaker. */
async function madeByTheFirst(database: Database): Promise<void> {
  await emptied(database)
  for (const statement of firstSchema) await database.query(statement)
  const now = Date.now()
  await database.query(
    `INSERT INTO alerts (organization, id, dedup_key, severity, status, type, title, message, labels, accepted_at)
     VALUES ('acme', 'a-1', 'db-1', 'high', 'firing', 'disk', 'Disk full', 'No space', '{"host":"db-1"}', $1::bigint)`,
    [now],
  )
  for (const [position, state, reason] of [
    [0, 'pending', null],
    [1, 'delivered', null],
    [2, 'deadLettered', 'circuit_open'],
  ])
    await database.query(
      `INSERT INTO receivers (id, organization, alert_id, position, name, channel, destination, state, reason,
         attempts, due_at, expires_at, settled_at)
       VALUES ($1, 'acme', 'a-1', $2::integer, $1, 'email', $3, $4, $5, '[{"at":1}]', $6::bigint, $7::bigint, $8::bigint)`,
      [`m-${position}`, position, destination, state, reason, now, now + day, state === 'pending' ? null : now],
    )
  await database.query(`INSERT INTO dedups VALUES ('acme', 'db-1', 'firing', 'a-1', $1::bigint)`, [now + day])
}

/** Every column and every index that there is. */
async function shapeOf(database: Database): Promise<readonly (readonly Row[])[]> {
  const columns = `SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2`
  const indexes = `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1`
  return [await database.query(columns), await database.query(indexes)]
}

describe.each([
  ['PostgreSQL', startPostgres],
  ['PGlite', startPglite],
])('A database that the first version made, on %s', (_engine, start) => {
  let running: TestDatabase
  beforeAll(async () => {
    running = await start()
  })
  afterAll(() => running.end())

  it('is brought up to date with all that stands in it', async () => {
    const { database } = running
    await madeByTheFirst(database)
    const store = await openAlertStore(database, { worker: 'worker-1' })

    expect(await store.claim([{ destination, count: 10 }])).toMatchObject([
      {
        id: 'm-0',
        alert: { id: 'a-1', title: 'Disk full', labels: { host: 'db-1' } },
        refused: {},
        attempts: [{ at: 1 }],
      },
    ])
    await store.record([{ id: 'm-0', state: 'delivered', attempts: [], reached: [] }])
    // What was missed before anybody was told such things is no news.
    expect(await store.missed()).toEqual([])
    const [found] = await store.find('a-1', 'acme')
    expect(found?.receivers.map(({ state }) => state)).toEqual(['delivered', 'delivered', 'deadLettered'])

    const again = { organization: 'acme', severity: 'high', status: 'firing', type: 'disk', title: 't' } as const
    const rest = { message: 'm', labels: {}, dedupWindowMs: day, maxAgeMs: day, receivers: [] }
    const [intake] = await store.insert([[{ ...again, ...rest, id: 'a-2', dedupKey: 'db-1' }]])
    expect(intake).toEqual({ status: 'accepted', alerts: [{ id: 'a-2', duplicateOf: 'a-1' }] })
    expect(await store.counts('acme')).toEqual({ total: 2, firing: 2, resolved: 0 })
  })

  it('is like a new one then', async () => {
    const { database } = running
    await madeByTheFirst(database)
    await openAlertStore(database, { worker: 'worker-1' })
    const shape = await shapeOf(database)
    await emptied(database)
    await openAlertStore(database, { worker: 'worker-1' })
    expect(shape).toEqual(await shapeOf(database))
  })
})
