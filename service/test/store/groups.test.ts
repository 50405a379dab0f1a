import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../../test/servers/until.ts'
import { sized } from '../../../test/sized.ts'
import { type AlertStore, openAlertStore } from '../../src/store/alert-store.ts'
import type { NewAlert, NewReceiver } from '../../src/store/new-alert.ts'
import { startPglite, startPostgres, type TestDatabase } from './start-databases.ts'

let counter = 0
const unique = (what: string): string => `${what}-${String((counter += 1)).padStart(6, '0')}`

/** A group of its own, and alerts that wait with it. */
function groupOf({ waitMs = 200, receiver = {} }: { waitMs?: number; receiver?: Partial<NewReceiver> } = {}) {
  const [key, destination] = [unique('group'), unique('webhook:host')]
  return {
    destination,
    alert: (over: Partial<NewAlert> = {}): NewAlert => ({
      organization: 'acme',
      id: unique('alert'),
      dedupWindowMs: 60_000,
      maxAgeMs: 60_000,
      severity: 'medium',
      status: 'firing',
      type: 'disk',
      title: unique('Disk full'),
      message: 'No space',
      labels: { team: 'db' },
      receivers: [
        { id: unique('message'), name: 'hook', channel: 'webhook', destination, group: { key, waitMs }, ...receiver },
      ],
      ...over,
    }),
  }
}

describe.each([
  ['PGlite', startPglite],
  ['PostgreSQL', startPostgres],
])('groups on %s', (name, start) => {
  let server: TestDatabase
  let store: AlertStore
  let other: AlertStore

  beforeAll(async () => {
    server = await start()
    store = await openAlertStore(server.database, { worker: 'worker-1', leaseMs: 60_000 })
    other = await openAlertStore(server.database, { worker: 'worker-2', leaseMs: 60_000 })
  })
  afterAll(() => server.end())

  const claimed = (destination: string, by = store) =>
    until('the group to be due', async () => {
      const found = await by.claim([{ destination, count: 10 }])
      return found.length > 0 ? found : undefined
    })
  const seen = async ({ id, organization }: NewAlert) => (await store.find(id, organization))[0]?.receivers[0]

  it('are one message when their waiting is over, with the number, the titles and the highest severity', async () => {
    // Longer than a busy machine takes to insert and to look.
    const { alert, destination } = groupOf({ waitMs: 2_000 })
    const alerts = [
      alert({ labels: { team: 'db', host: 'a' } }),
      alert({ labels: { team: 'db', host: 'b' }, severity: 'critical' }),
      alert({ labels: { team: 'db', host: 'c' }, severity: 'low' }),
    ]
    const [first] = alerts
    // By several requests and instances.
    await store.insert([alerts.slice(0, 1)])
    await other.insert([alerts.slice(1, 2), alerts.slice(2)])
    expect(await store.claim([{ destination, count: 10 }])).toEqual([])
    expect(await store.backlog()).toContainEqual({ destination, dueInMs: expect.any(Number) as number })
    const [message, ...more] = await claimed(destination)
    expect(more).toEqual([])
    const titles = alerts.map(({ title }) => title)
    expect(message).toMatchObject({
      id: first?.receivers[0]?.id,
      alert: {
        id: first?.id,
        severity: 'critical',
        title: `3 alerts: ${titles[0]}`,
        message: titles.map((title) => `- ${title}`).join('\n'),
        labels: { team: 'db' },
        group: { count: 3, titles },
      },
    })
    await store.record([
      {
        id: message?.id ?? '',
        state: 'deadLettered',
        reason: 'timeout',
        lastError: 'late',
        letterId: 'l',
        reached: [],
        attempts: [{ at: 1, error: 'late' }],
      },
    ])
    for (const each of alerts)
      expect(await seen(each)).toEqual({
        name: 'hook',
        channel: 'webhook',
        state: 'deadLettered',
        reason: 'timeout',
        lastError: 'late',
        letterId: 'l',
        attempts: [{ at: 1, error: 'late' }],
      })
  })

  it('say the same again to who claims them again, and their letter, sent again, is the outcome of all', async () => {
    const { alert, destination } = groupOf({ waitMs: 50 })
    const alerts = [alert(), alert()]
    await store.insert([alerts])
    const [message] = await claimed(destination)
    const facts = { id: message?.id ?? '', reached: [], attempts: [{ at: 1, error: 'x' }] }
    await store.record([{ ...facts, state: 'pending', dueInMs: 0 }])
    expect(await seen(alerts[1] as NewAlert)).toMatchObject({ state: 'pending', attempts: [{ at: 1, error: 'x' }] })
    const [again] = await claimed(destination, other)
    expect(again?.alert).toEqual(message?.alert)
    await other.record([{ ...facts, state: 'deadLettered' }])
    await store.recordRedriven([
      { id: facts.id, organization: 'acme', alertId: '', receiver: 'hook', channel: 'webhook', attempt: { at: 2 } },
    ])
    for (const each of alerts) expect((await seen(each))?.state).toBe('delivered')
  })

  it('of one alert are its plain message', async () => {
    const { alert, destination } = groupOf({ waitMs: 1 })
    const only = alert()
    await store.insert([[only]])
    const [message] = await claimed(destination)
    expect(message?.alert).toMatchObject({ id: only.id, title: only.title, message: 'No space' })
    expect(message?.alert.group).toBeUndefined()
  })

  it('are joined until their waiting is over; who comes later begins another', async () => {
    const { alert, destination } = groupOf({ waitMs: 30 })
    const [early, late] = [alert(), alert()]
    await store.insert([[early]])
    // It is due, and nobody has claimed it.
    await until('the group to be due', async () =>
      (await store.backlog()).find((each) => each.destination === destination && each.dueInMs < 0),
    )
    await store.insert([[late]])
    const ids: string[] = []
    await until('both', async () => {
      const found = await store.claim([{ destination, count: 10 }])
      ids.push(...found.map((message) => message.alert.id))
      return ids.length === 2 || undefined
    })
    expect(ids).toEqual([early.id, late.id])
  })
  it('are not joined by duplicates, nor by another organization', async () => {
    const { alert, destination } = groupOf({ waitMs: 100 })
    const alerts = [alert({ dedupKey: 'k' }), alert({ dedupKey: 'k' }), alert({ organization: 'globex' })]
    await store.insert([alerts])
    const found = new Map<string, number>()
    await until('both messages', async () => {
      for (const { alert: each } of await store.claim([{ destination, count: 10 }]))
        found.set(each.organization, each.group?.count ?? 1)
      return found.size === 2 || undefined
    })
    expect([...found]).toEqual(
      expect.arrayContaining([
        ['acme', 1],
        ['globex', 1],
      ]),
    )
  })

  it('show a hundred titles and say how many more there are', async () => {
    const { alert, destination } = groupOf({ waitMs: 300 })
    await store.insert([Array.from({ length: 150 }, () => alert())])
    const [message] = await claimed(destination)
    expect(message?.alert.group?.count).toBe(150)
    expect(message?.alert.message.split('\n')).toHaveLength(102)
    expect(message?.alert.message).toMatch(/and 49 more$/)
  })

  it('expire as one', async () => {
    const { alert } = groupOf({ waitMs: 1 })
    const alerts = [alert({ maxAgeMs: 30 }), alert({ maxAgeMs: 30 })]
    await store.insert([alerts])
    const ids = alerts.flatMap(({ receivers }) => receivers.map(({ id }) => id))
    const expired = await until('it to be too old', async () => {
      const found = (await store.claimExpired(10)).filter(({ id }) => ids.includes(id))
      return found.length > 0 ? found : undefined
    })
    expect(expired.map(({ id }) => id)).toEqual(ids.slice(0, 1))
  })

  it('have every alert in exactly one message while instances insert and claim at the same time', async () => {
    const { alert, destination } = groupOf({ waitMs: 15 })
    const alerts = Array.from({ length: sized(100, 2_000) }, () => alert())
    const told: number[] = []
    let inserting = true
    const claim = async (by: AlertStore): Promise<void> => {
      const messages = await by.claim([{ destination, count: 10 }])
      told.push(...messages.map(({ alert: { group } }) => group?.count ?? 1))
      await by.record(messages.map(({ id }) => ({ id, state: 'delivered', attempts: [{ at: 1 }], reached: [] })))
    }
    const claims = [store, other].map(async (by) => {
      while (inserting) await claim(by)
    })
    await Promise.all(
      [store, other].map(async (by, index) => {
        for (let at = index; at < alerts.length; at += 2) await by.insert([alerts.slice(at, at + 1)])
      }),
    )
    inserting = false
    await Promise.all(claims)
    await until('all to be settled', async () => {
      await claim(store)
      return (await Promise.all(alerts.map(seen))).every((receiver) => receiver?.state === 'delivered') || undefined
    })
    process.stdout.write(`${name}: ${alerts.length} alerts went in ${told.length} messages\n`)
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(alerts.length)
    expect(told.length).toBeLessThan(alerts.length)
  })
})

it('a group that an insert is joining is not sent without it', async () => {
  const server = await startPostgres()
  const { database } = server
  const store = await openAlertStore(database, { worker: 'worker-1' })
  const { alert, destination } = groupOf({ waitMs: 500 })
  const [first, second] = [alert(), alert()]
  await store.insert([[first]])
  await database.transaction(async (transaction) => {
    const slow = await openAlertStore(
      { ...database, transaction: (work) => work(transaction), query: transaction.query },
      { worker: 'slow' },
    )
    await slow.insert([[second]])
    await until('the group to be due', async () =>
      (await store.backlog()).find((each) => each.destination === destination && each.dueInMs < 0),
    )
    // The other has not committed.
    expect(await store.claim([{ destination, count: 10 }])).toEqual([])
  })
  const [message] = await store.claim([{ destination, count: 10 }])
  expect(message?.alert.group?.titles).toEqual([first.title, second.title])
  await server.end()
})
