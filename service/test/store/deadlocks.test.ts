import { UnavailableError } from 'switchgear'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { until } from '../../../test/servers/until.ts'
import { type AlertStore, openAlertStore } from '../../src/store/alert-store.ts'
import type { Database, Queryable } from '../../src/store/database.ts'
import type { NewAlert } from '../../src/store/new-alert.ts'
import { startPostgres, type TestDatabase } from './start-databases.ts'

let server: TestDatabase
let store: AlertStore
/** What the database has refused to the store. */
const refusals: unknown[] = []

beforeAll(async () => {
  server = await startPostgres()
  store = await openAlertStore(watched(server.database), { worker: 'worker-1' })
})
beforeEach(() => void (refusals.length = 0))
afterAll(() => server.end())

function watched(database: Database): Database {
  const over = ({ query }: Queryable): Queryable => ({
    query: (sql, parameters) =>
      query(sql, parameters).catch((error: unknown) => {
        refusals.push(error)
        throw error
      }),
  })
  return {
    ...database,
    ...over(database),
    transaction: (work, how) => database.transaction((transaction) => work(over(transaction)), how),
  }
}

/** Runs both while somebody else has what `locking` locks, which both want, until both wait. */
async function bothWaiting<T>(locking: string, both: readonly (() => Promise<T>)[]): Promise<readonly T[]> {
  const running = await server.database.transaction(async (transaction) => {
    await transaction.query(locking)
    const started = both.map((run) => run())
    await until('both to wait', async () => {
      const rows = await server.database.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)
      return rows.length === both.length || undefined
    })
    return { all: Promise.all(started) }
  })
  return running.all
}

const alert: NewAlert = {
  organization: 'acme',
  id: 'a',
  dedupWindowMs: 60_000,
  maxAgeMs: 60_000,
  severity: 'high',
  status: 'firing',
  type: 'disk',
  title: 'Disk full',
  message: 'No space is left',
  labels: {},
  receivers: [],
}

let counter = 0
it.each<[string, string, (name: string) => NewAlert]>([
  [
    'ids',
    `INSERT INTO alerts (organization, id, fingerprint, severity, status, type, title, message, labels, accepted_at)
     VALUES ('acme', 'm', 'f', 'low', 'firing', 't', 't', 'm', '{}', 1)`,
    (id) => ({ ...alert, id, fingerprint: 'f' }),
  ],
  [
    'deduplication keys',
    `INSERT INTO dedups VALUES ('acme', 'm', 'firing', 'another', 9e12::bigint)`,
    (dedupKey) => ({ ...alert, id: `own-${(counter += 1)}`, dedupKey }),
  ],
])(
  'takes the same %s in two orders at once, and neither waits for the other in a circle',
  async (_what, locking, of) => {
    const names = ['a', 'm', 'z']
    const answers = await bothWaiting(locking, [
      () => store.insert([names.map(of)]),
      () => store.insert([names.toReversed().map(of)]),
    ])
    expect(answers.flat().map(({ status }) => status)).toEqual(['accepted', 'accepted'])
    expect(refusals).toEqual([])
  },
)

it.each<[string, (ids: readonly string[]) => Promise<void>]>([
  ['outcomes', (ids) => store.record(ids.map((id) => ({ id, state: 'delivered', attempts: [], reached: [] })))],
  [
    'outcomes of redrives',
    (ids) =>
      store.recordRedriven(
        ids.map((id) => ({
          id,
          organization: 'acme',
          alertId: 'a',
          receiver: 'ops',
          channel: 'email',
          attempt: { at: 1 },
        })),
      ),
  ],
  ['leases', (ids) => store.renew(ids)],
])('writes %s while leases are made to last in another order', async (_what, write) => {
  await server.database.query('DELETE FROM receivers')
  // So many that each is looked up, in the order in which they are named.
  await server.database.query(`INSERT INTO receivers
      (id, organization, alert_id, position, name, channel, destination, state, claimed_by, due_at, expires_at)
    SELECT i::text, 'acme', 'a', 0, 'ops', 'email', 'email:host', 'pending', 'worker-1', 1, 9e12::bigint
    FROM generate_series(1, 10000) AS i`)
  const ids = ['1', '2', '3']
  await bothWaiting(`SELECT FROM receivers WHERE id = '2' FOR UPDATE`, [
    () => store.renew(ids),
    () => write(ids.toReversed()),
  ])
  expect(refusals).toEqual([])
})

it('says that the store is unavailable where transactions meet again and again, and goes on', async () => {
  const { database } = server
  const deadlock = `DO $$ BEGIN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END $$`
  await expect(database.query(deadlock)).rejects.toThrow(UnavailableError)
  const pids = new Set<unknown>()
  let tries = 0
  const meeting = database.transaction(async (transaction) => {
    tries += 1
    pids.add((await transaction.query('SELECT pg_backend_pid() AS pid'))[0]?.['pid'])
    await transaction.query(deadlock)
  })
  await expect(meeting).rejects.toThrow(UnavailableError)
  // The connection is as good as before.
  expect([tries, pids.size]).toEqual([5, 1])
})
