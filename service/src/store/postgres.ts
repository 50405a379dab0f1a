import pg from 'pg'
import { UnavailableError } from 'switchgear'
import { type Database, plannerSettings, type Queryable, type Row } from './database.ts'
import { isTryAgain, translated } from './store-error.ts'

/** Connections of one instance. */
const connectionsMax = 10
/** How long a connection may take to come, in ms. */
const connectTimeoutMs = 5_000
/** For what may take as long as it takes, in ms: the driver's longest timer. */
const noDeadlineMs = 2 ** 31 - 1

/** How long is waited for what, in ms. */
export interface PostgresDeadlines {
  /** By the server, for a statement. */
  readonly statementMs: number
  /** By us, for its answer: a server that is frozen, or cut off without a word, ends no statement. Longer than `statementMs`. */
  readonly answerMs: number
  /** By the server, for the next statement of a transaction: an instance that is frozen in one holds its locks until then. */
  readonly idleMs: number
}

const deadlinesDefault: PostgresDeadlines = Object.freeze({ statementMs: 15_000, answerMs: 20_000, idleMs: 10_000 })

/** How often a transaction is tried that the server broke off in favour of another. */
const triesMax = 5

/** The type number of `bigint`, which the driver would give as text. */
const bigintType = 20

/** A PostgreSQL server, version 13 or later. It connects with the first query. */
export function openPostgres(
  url: string,
  onLost: (error: Error) => void,
  deadlines: PostgresDeadlines = deadlinesDefault,
): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: connectionsMax,
    statement_timeout: deadlines.statementMs,
    query_timeout: deadlines.answerMs,
    idle_in_transaction_session_timeout: deadlines.idleMs,
    keepAlive: true,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: 'switchgear-service',
    types: valueTypes(),
    options: plannerSettings.map((name) => `-c ${name}=off`).join(' '),
  })
  // A server that goes away closes idle connections; the pool makes new ones.
  pool.on('error', onLost)
  // Of one that is in use, and between two statements, the pool hears nothing; unheard it would end the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  return {
    embedded: false,
    query: queryable(pool).query,
    transaction: (work, { takesLong = false } = {}) => inTransaction(pool, work, takesLong, triesMax),
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
  takesLong: boolean,
  triesLeft: number,
): Promise<T> {
  const client = await translated('PostgreSQL', () => pool.connect())
  const transaction = queryable(client, takesLong ? noDeadlineMs : undefined)
  let broken: Error | undefined
  try {
    await transaction.query('BEGIN')
    if (takesLong) await transaction.query('SET LOCAL statement_timeout = 0')
    const result = await work(transaction)
    await transaction.query('COMMIT')
    return result
  } catch (error) {
    const again = isTryAgain(error)
    broken = error instanceof UnavailableError && !again ? error : await rolledBack(transaction)
    if (triesLeft <= 1 || !again) throw asError(error)
  } finally {
    client.release(broken)
  }
  return inTransaction(pool, work, takesLong, triesLeft - 1)
}

/** Gives why not: such a connection is of no more use. */
async function rolledBack(transaction: Queryable): Promise<Error | undefined> {
  return transaction.query('ROLLBACK').then(() => undefined, asError)
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('something that is no error was thrown', { cause: error })
}

function queryable(client: pg.Pool | pg.PoolClient, answerMs?: number): Queryable {
  const deadline = answerMs === undefined ? {} : { query_timeout: answerMs }
  return {
    query: (text, parameters = []) =>
      translated(
        'PostgreSQL',
        async () => (await client.query<Row>({ text, values: [...parameters], ...deadline })).rows,
      ),
  }
}
