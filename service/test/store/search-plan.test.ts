import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AlertStore, openAlertStore } from '../../src/store/alert-store.ts'
import type { Database } from '../../src/store/database.ts'
import { rowsRead } from './rows-read.ts'
import { startPglite, startPostgres, type TestDatabase } from './start-databases.ts'

describe.each([
  ['PGlite', startPglite],
  ['PostgreSQL', startPostgres],
])('a search for what stands nowhere, on %s', (_name, start) => {
  let server: TestDatabase
  let store: AlertStore
  /** How many alerts each statement of a search reads. */
  let read: number[] = []

  beforeAll(async () => {
    server = await start()
    const { database } = server
    store = await openAlertStore({ ...database, query: watched(database) }, { worker: 'worker-1' })
    await fill('acme', 30_000, 0)
  })
  afterAll(() => server.end())

  it('reads 10,000 alerts where the table was never analyzed, as it always is in a single process', async () => {
    expect(await readBySearch()).toEqual([10_000, 10_001])
  })

  it('reads none of others, where those came after the table was analyzed', async () => {
    await server.database.query('VACUUM ANALYZE alerts')
    await fill('globex', 5_000, 30_000)
    expect(await readBySearch()).toEqual([10_000, 10_001])
  })

  const fill = (organization: string, count: number, after: number) =>
    server.database.query(
      `INSERT INTO alerts (organization, id, severity, status, type, title, message, labels, accepted_at)
       SELECT $1, 'n' || n, 'low', 'firing', repeat('disk', 30), 'hay', 'No space is left', '{}', $3::bigint + n
       FROM generate_series(1, $2::integer) n`,
      [organization, count, after],
    )

  const watched =
    ({ query }: Database): Database['query'] =>
    async (sql, parameters) => {
      if (sql.includes('FROM alerts')) read.push(await rowsRead({ query }, 'alerts', sql, parameters))
      return query(sql, parameters)
    }

  /** For the page, and for where it ends: one more, which tells whether there is another. */
  async function readBySearch(): Promise<readonly number[]> {
    read = []
    await store.search({ organization: 'acme', text: 'needle', limit: 50 })
    return read
  }
})
