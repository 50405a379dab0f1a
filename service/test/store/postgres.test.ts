import { readFileSync } from 'node:fs'
import { UnavailableError } from 'switchgear'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../../test/servers/until.ts'
import type { Database } from '../../src/store/database.ts'
import { openPostgres, type PostgresDeadlines } from '../../src/store/postgres.ts'
import { startPostgres } from './start-databases.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.end())

/** Any that no other test locks. */
const lock = 4_711

function opened(deadlines: Partial<PostgresDeadlines>): Database {
  return openPostgres(server.url, () => {}, { statementMs: 60_000, answerMs: 60_000, idleMs: 60_000, ...deadlines })
}

describe('A connection to PostgreSQL', () => {
  it('that is cut between two statements of a transaction fails that transaction, and not the process', async () => {
    const database = opened({})
    const cut = database.transaction(async (transaction) => {
      const [row] = await transaction.query('SELECT pg_backend_pid() AS pid')
      await server.database.query('SELECT pg_terminate_backend($1::integer)', [row?.['pid']])
      await until('the connection to be gone', async () => {
        const left = await server.database.query('SELECT FROM pg_stat_activity WHERE pid = $1::integer', [row?.['pid']])
        return left.length === 0 || undefined
      })
      return transaction.query('SELECT 1')
    })
    await expect(cut).rejects.toThrow(UnavailableError)
    expect(await database.transaction((transaction) => transaction.query('SELECT 1 AS one'))).toEqual([{ one: 1 }])
    await database.close()
  })

  it('on which no answer comes is given up after a deadline, in and out of transactions', async () => {
    const database = opened({ answerMs: 100 })
    const sleep = 'SELECT pg_sleep(5)'
    await expect(database.query(sleep)).rejects.toThrow(UnavailableError)
    await expect(database.transaction((transaction) => transaction.query(sleep))).rejects.toThrow(UnavailableError)
    await database.close()
  })

  it('of an instance that is frozen within a transaction lets go of its locks', async () => {
    const database = opened({ idleMs: 100 })
    const frozen = database.transaction(async (transaction) => {
      await transaction.query('SELECT pg_advisory_xact_lock($1::bigint)', [lock])
      await until('another one to have the lock', async () => {
        const [row] = await server.database.query('SELECT pg_try_advisory_xact_lock($1::bigint) AS has', [lock])
        return row?.['has'] === true || undefined
      })
      return transaction.query('SELECT 1')
    })
    await expect(frozen).rejects.toThrow(UnavailableError)
    await database.close()
  })

  it('has its time for what takes long', async () => {
    const database = opened({ statementMs: 100, answerMs: 200 })
    const sleep = 'SELECT pg_sleep(0.5)'
    await expect(database.transaction((transaction) => transaction.query(sleep))).rejects.toThrow(UnavailableError)
    await expect(
      database.transaction((transaction) => transaction.query(sleep), { takesLong: true }),
    ).resolves.toHaveLength(1)
    await database.close()
  })

  it('asks for the settings that the role of a PgBouncer is to have, as docs/operations.md has them', async () => {
    const operations = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8')
    const documented = [...operations.matchAll(/^ALTER ROLE switchgear SET (.+);$/gm)].map(
      ([, setting = '']) => setting,
    )
    const settings = `SELECT name, setting FROM pg_settings
      WHERE source = $1 AND name NOT IN ('application_name', 'client_encoding') ORDER BY name`
    const database = openPostgres(server.url, () => {})
    const [asked, set] = await database.transaction(async (transaction) => {
      const ofClient = await transaction.query(settings, ['client'])
      for (const setting of documented) await transaction.query(`SET LOCAL ${setting}`)
      return [ofClient, await transaction.query(settings, ['session'])]
    })
    expect(asked).not.toEqual([])
    expect(set).toEqual(asked)
    await database.close()
  })
})
