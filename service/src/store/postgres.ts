import pg from 'pg'
import { type Database, plannerSettings, type Queryable, type Row } from './database.ts'
import { isTryAgain, translated } from './store-error.ts'

/** Connections of one instance. */
const connectionsMax = 10
/** How long a statement may take, and how long a connection may take to come, in ms. */
const statementTimeoutMs = 15_000
const connectTimeoutMs = 5_000
/** How often a transaction is tried that the server broke off in favour of another. */
const triesMax = 5

/** The type number of `bigint`, which the driver would give as text. */
const bigintType = 20

/** A PostgreSQL server, version 12 or later. It connects with the first query. */
export function openPostgres(url: string, onIdleError: (error: Error) => void): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: connectionsMax,
    statement_timeout: statementTimeoutMs,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: 'switchgear-service',
    types: valueTypes(),
    options: plannerSettings.map((name) => `-c ${name}=off`).join(' '),
  })
  // A server that goes away closes idle connections; the pool makes new ones.
  pool.on('error', onIdleError)
  return {
    embedded: false,
    query: queryable(pool).query,
    transaction: (work) => inTransaction(pool, work, triesMax),
    tidy: async () => {},
    close: () => pool.end(),
  }
}

/** What the driver makes of values: numbers of 64-bit integers, which none of ours is too large for. */
function valueTypes(): pg.CustomTypesConfig {
  const types = new pg.TypeOverrides()
  types.setTypeParser(bigintType, Number)
  return types
}

async function inTransaction<T>(
  pool: pg.Pool,
  work: (transaction: Queryable) => Promise<T>,
  triesLeft: number,
): Promise<T> {
  const client = await translated('PostgreSQL', () => pool.connect())
  let broken: Error | undefined
  try {
    await client.query('BEGIN')
    const result = await work(queryable(client))
    await client.query('COMMIT')
    return result
  } catch (error) {
    broken = await client.query('ROLLBACK').then(
      () => undefined,
      (failed: unknown) => (failed instanceof Error ? failed : new Error('ROLLBACK failed')),
    )
    if (triesLeft <= 1 || !isTryAgain(error))
      return await translated('PostgreSQL', () => Promise.reject(asError(error)))
  } finally {
    client.release(broken)
  }
  return inTransaction(pool, work, triesLeft - 1)
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('something that is no error was thrown', { cause: error })
}

function queryable(client: pg.Pool | pg.PoolClient): Queryable {
  return {
    query: (sql, parameters = []) =>
      translated('PostgreSQL', async () => (await client.query<Row>(sql, [...parameters])).rows),
  }
}
