import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../../test/servers/until.ts'
import { type AlertStore, openAlertStore } from '../../src/store/alert-store.ts'
import type { Queryable } from '../../src/store/database.ts'
import { findMissing, type Missed, type Missing, tellMissed } from '../../src/store/missed-messages.ts'
import type { NewAlert } from '../../src/store/new-alert.ts'
import { rowsRead } from './rows-read.ts'
import { startPglite, startPostgres, type TestDatabase } from './start-databases.ts'

let counter = 0
const unique = (what: string): string => `${what}-${String((counter += 1)).padStart(6, '0')}`

function alertFor(name: string, over: Partial<NewAlert> = {}): NewAlert {
  return {
    organization: 'acme',
    id: unique('alert'),
    dedupWindowMs: 60_000,
    maxAgeMs: 60_000,
    isToldIfMissed: true,
    severity: 'high',
    status: 'firing',
    type: 'disk',
    title: 'Disk full',
    message: 'No space',
    labels: {},
    receivers: [{ id: unique('message'), name, channel: 'webhook', destination: `webhook:${name}` }],
    ...over,
  }
}

describe.each([
  ['PGlite', startPglite],
  ['PostgreSQL', startPostgres],
])('what receivers missed, on %s', (_name, start) => {
  let server: TestDatabase
  let store: AlertStore
  let other: AlertStore

  beforeAll(async () => {
    server = await start()
    store = await openAlertStore(server.database, { worker: 'worker-1' })
    other = await openAlertStore(server.database, { worker: 'worker-2' })
  })
  afterAll(() => server.end())

  async function end(alerts: readonly NewAlert[], reason: string): Promise<void> {
    await store.insert([alerts])
    const messages = alerts.flatMap(({ receivers }) => receivers)
    await store.claim(messages.map(({ destination }) => ({ destination, count: 10 })))
    await store.record(messages.map(({ id }) => ({ id, state: 'deadLettered', reason, attempts: [], reached: [] })))
  }

  /** What is missing of a receiver at this moment. */
  async function missing(name: string): Promise<Missing> {
    const found = (await store.missed()).find(({ receiver }) => receiver === name)
    if (found === undefined) throw new Error(`nothing is missing of ${name}`)
    return found
  }

  it('is what met an open breaker or was too old, by receiver', async () => {
    const [a, b, c] = [unique('a'), unique('b'), unique('c')]
    await end([alertFor(a), alertFor(a)], 'circuit_open')
    await end([alertFor(b, { organization: 'globex' })], 'expired')
    await end([alertFor(c)], 'rejected')
    const found = (await store.missed()).filter(({ receiver }) => [a, b, c].includes(receiver))
    const lastAt = expect.any(Number) as number
    expect(found).toEqual([
      { organization: 'acme', receiver: a, lastAt },
      { organization: 'globex', receiver: b, lastAt },
    ])
  })

  it('is told once, whichever of several instances does it', async () => {
    const name = unique('hook')
    await end([alertFor(name), alertFor(name), alertFor(name)], 'circuit_open')
    const told: Missed[] = []
    const notices = [alertFor(name, { isToldIfMissed: false }), alertFor(name, { isToldIfMissed: false })]
    const of = await missing(name)
    const tell = (by: AlertStore, notice: NewAlert | undefined) =>
      by.tellMissed(of, (missed) => {
        told.push(missed)
        return notice ?? alertFor(name)
      })
    const made = await Promise.all([tell(store, notices[0]), tell(other, notices[1])])
    expect(made.filter(Boolean)).toHaveLength(1)
    expect(told).toEqual([{ count: 3, firstAt: expect.any(Number) as number, lastAt: of.lastAt }])
    const found = await Promise.all(notices.map(({ id }) => store.find(id, 'acme')))
    expect(found.flat()).toMatchObject([{ receivers: [{ name, state: 'pending' }] }])
    expect((await store.missed()).some(({ receiver }) => receiver === name)).toBe(false)
  })

  it('is told of in parts where it is very much, the oldest first, each message once', async () => {
    const name = unique('hook')
    for (let n = 0; n < 5; n += 1) await end([alertFor(name)], 'circuit_open')
    const told: Missed[] = []
    const of = await missing(name)
    const tell = (): Promise<boolean> =>
      tellMissed(
        server.database,
        of,
        (missed) => {
          told.push(missed)
          return alertFor(name, { isToldIfMissed: false })
        },
        2,
      )
    while (await tell()) expect(told.length).toBeLessThan(4)
    expect(told.map(({ count }) => count)).toEqual([2, 2, 1])
    const places = told.flatMap(({ firstAt, lastAt }) => [firstAt, lastAt])
    expect(places).toEqual(places.toSorted((a, b) => a - b))
  })

  it('counts the messages, however many alerts each of them speaks for', async () => {
    const name = unique('hook')
    const of = { name, channel: 'webhook', destination: `webhook:${name}`, group: { key: 'disk', waitMs: 0 } } as const
    const grouped = () => alertFor(name, { receivers: [{ id: unique('message'), ...of }] })
    await end([grouped(), grouped(), grouped()], 'circuit_open')
    await end([alertFor(name)], 'expired')
    const told: number[] = []
    const notice = alertFor(name, { isToldIfMissed: false })
    await store.tellMissed(await missing(name), ({ count }) => {
      told.push(count)
      return notice
    })
    expect(told).toEqual([2])
    expect((await store.missed()).some(({ receiver }) => receiver === name)).toBe(false)
  })

  it('is told of until the instant that is named, and what was missed later by the next notice', async () => {
    const name = unique('hook')
    await end([alertFor(name)], 'circuit_open')
    const before = await missing(name)
    await until('another instant', async () => {
      await end([alertFor(name)], 'circuit_open')
      return (await missing(name)).lastAt > before.lastAt ? true : undefined
    })
    const told: Missed[] = []
    const tell = (of: Missing) =>
      store.tellMissed(of, (missed) => {
        told.push(missed)
        return alertFor(name, { isToldIfMissed: false })
      })
    await tell(before)
    const after = await missing(name)
    await tell(after)
    expect(told.map(({ lastAt }) => lastAt)).toEqual([before.lastAt, after.lastAt])
  })

  it('is not told where nobody asked for it, and is not told of notices themselves', async () => {
    const name = unique('hook')
    await end([alertFor(name, { isToldIfMissed: false })], 'circuit_open')
    expect((await store.missed()).some(({ receiver }) => receiver === name)).toBe(false)
  })

  it('is found without reading all of it, also where the table was never analyzed', async () => {
    const name = unique('hook')
    await end([alertFor(name)], 'expired')
    let read = 0
    const query: Queryable['query'] = async (...statement) => {
      read = await rowsRead(server.database, 'receivers', ...statement)
      return []
    }
    await findMissing({ query })
    const before = read
    await server.database.query(
      `INSERT INTO receivers (id, organization, alert_id, position, name, channel, destination, state, reason, told,
         settled_at, due_at, expires_at)
       SELECT 'much-' || n, 'acme', 'much-' || n, 0, $1, 'webhook', 'webhook', 'deadLettered', 'expired', false, n, 0, 0
       FROM generate_series(1, 10000) n`,
      [name],
    )
    await findMissing({ query })
    expect(read).toBe(before)
  })
})
