import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { until } from '../../../test/servers/until.ts'
import { type AlertStore, openAlertStore } from '../../src/store/alert-store.ts'
import type { Database } from '../../src/store/database.ts'
import type { NewAlert, NewReceiver } from '../../src/store/new-alert.ts'
import { lockDirectory } from '../../src/store/directory-lock.ts'
import { openPglite } from '../../src/store/pglite.ts'
import type { Settled } from '../../src/store/record-outcomes.ts'
import { dayMs, dayOf } from '../../src/store/statistics.ts'
import { startPglite, startPostgres, type TestDatabase } from './start-databases.ts'

let counter = 0
const unique = (what: string): string => `${what}-${(counter += 1)}`

function receiver(over: Partial<NewReceiver> = {}): NewReceiver {
  return { id: unique('message'), name: 'ops', channel: 'email', destination: unique('email:host'), ...over }
}

function alert(over: Partial<NewAlert> = {}): NewAlert {
  return {
    organization: 'acme',
    id: unique('alert'),
    dedupWindowMs: 60_000,
    maxAgeMs: 60_000,
    severity: 'high',
    status: 'firing',
    type: 'disk',
    title: 'Disk full',
    message: 'No space is left on /dev/sda1',
    labels: { host: 'db-1', 'weird "label"': "it's — ünïcödé 🚨" },
    receivers: [receiver()],
    ...over,
  }
}

it('closes its database when the tables cannot be brought up to date', async () => {
  let closed = 0
  const broken: Database = {
    embedded: true,
    query: async () => [],
    transaction: async () => Promise.reject(new Error('permission denied')),
    tidy: async () => {},
    close: async () => void (closed += 1),
  }
  await expect(openAlertStore(broken, { worker: 'worker-1' })).rejects.toThrow('permission denied')
  expect(closed).toBe(1)
})

it('sends along what waits where a receiver has moved, however many they are', async () => {
  const server = await startPostgres()
  const { database } = server
  const store = await openAlertStore(database, { worker: 'worker-1' })
  await database.query(`INSERT INTO receivers
      (id, organization, alert_id, position, name, channel, destination, state, due_at, expires_at)
    SELECT 'm-' || i, 'acme', 'a-' || i, 0, 'ops', 'email', 'email:old', 'pending', 1, 9e12::bigint
    FROM generate_series(1, 11000) AS i`)
  await store.redirect(() => 'email:new')
  const left = await database.query('SELECT destination, count(*) AS n FROM receivers GROUP BY destination')
  expect(left).toEqual([{ destination: 'email:new', n: 11_000 }])
  await server.end()
})

it('looks again when another instance stored the same id between its look and its insert', async () => {
  const server = await startPostgres()
  const { database } = server
  const store = await openAlertStore(database, { worker: 'worker-1' })
  const given = alert({ fingerprint: 'f' })
  let raced: Promise<unknown> | undefined
  await database.transaction(async (transaction) => {
    await transaction.query(
      `INSERT INTO alerts (organization, id, fingerprint, severity, status, type, title, message, labels, accepted_at)
       VALUES ($1, $2, 'f', 'low', 'firing', 't', 't', 'm', '{}', 1)`,
      [given.organization, given.id],
    )
    raced = store.insert([[given]])
    await until('the insert to wait for the other', async () => {
      const rows = await database.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)
      return rows.length > 0 || undefined
    })
  })
  expect(await raced).toEqual([{ status: 'accepted', alerts: [{ id: given.id }], isKnown: true }])
  await server.end()
})

describe.each([
  ['PGlite', startPglite],
  ['PostgreSQL', startPostgres],
])('the alert store on %s', (_name, start) => {
  let server: TestDatabase
  let store: AlertStore
  let other: AlertStore
  let brief: AlertStore
  let briefRenewing: AlertStore

  beforeAll(async () => {
    server = await start()
    store = await openAlertStore(server.database, { worker: 'worker-1', leaseMs: 60_000 })
    other = await openAlertStore(server.database, { worker: 'worker-2', leaseMs: 60_000 })
    brief = await openAlertStore(server.database, { worker: 'brief', leaseMs: 150 })
    briefRenewing = await openAlertStore(server.database, { worker: 'brief', leaseMs: 60_000 })
  })
  afterAll(() => server.end())

  const settle = (id: string, state: 'delivered' | 'deadLettered', by = store) =>
    by.record([{ id, state, attempts: [{ at: 1 }], reached: [] }])
  const stateOf = async (id: string) => (await store.find(id, 'acme'))[0]?.receivers.map(({ state }) => state)

  it('gives back what was stored, to the letter', async () => {
    const given = alert({
      dedupKey: 'k',
      occurredAt: 1_700_000_000_123,
      receivers: [receiver(), receiver({ name: 'b' })],
    })
    await store.insert([[given]])
    const [found] = await store.find(given.id, 'acme')
    const { receivers, dedupWindowMs: _window, maxAgeMs: _age, ...facts } = given
    expect(found).toEqual({
      ...facts,
      acceptedAt: expect.any(Number) as number,
      receivers: receivers.map(({ name, channel }) => ({ name, channel, state: 'pending', attempts: [] })),
    })
    expect(Math.abs((found?.acceptedAt ?? 0) - Date.now())).toBeLessThan(5_000)
  })

  it('tells whose alerts are new, and of whose messages there is an outcome', async () => {
    const told: string[] = []
    const outcomes: Settled[] = []
    const onChange = (organization: string, change: string): void => void told.push(`${change} ${organization}`)
    const onSettled = (settled: readonly Settled[]): void => void outcomes.push(...settled)
    const telling = await openAlertStore(server.database, { worker: 'worker-1', onChange, onSettled })
    const here = receiver()
    const given = [alert({ receivers: [here] }), alert(), alert({ organization: 'globex' })]
    await telling.insert([given])
    expect(told.splice(0)).toEqual(['stored acme', 'stored globex'])
    const [claimed] = await telling.claim([{ destination: here.destination, count: 1 }])
    const record = { id: claimed?.id ?? '', attempts: [], reached: [] }
    await telling.record([{ ...record, state: 'pending' }])
    expect(told).toEqual([])
    // Who writes it again does not know whether it was written: it is told again.
    for (let time = 0; time < 2; time += 1) await telling.record([{ ...record, state: 'delivered' }])
    expect(told.splice(0)).toEqual(['settled acme', 'settled acme'])
    // What has become of it is counted once.
    expect(outcomes).toMatchObject([{ alertId: given[0]?.id, receiver: here.name, state: 'delivered' }])
    const settledAt = outcomes[0]?.settledAt
    const found = await server.database.query('SELECT settled_at FROM receivers WHERE id = $1', [here.id])
    expect(found).toEqual([{ settled_at: settledAt }])
    expect(await telling.insert([[{ ...alert(), id: given[0]?.id ?? '' }]]).catch(() => 'failed')).toBe('failed')
    expect(told.splice(0)).toEqual(['stored acme'])
    const { id, name, channel } = here
    const letter = {
      id,
      organization: 'acme',
      alertId: given[0]?.id ?? '',
      receiver: name,
      channel,
      attempt: { at: 1 },
    }
    await telling.recordRedriven([letter])
    expect(told).toEqual(['settled acme'])
    expect(outcomes[1]?.settledAt).toBeGreaterThanOrEqual(settledAt ?? Infinity)
  })

  it('finds nothing under an id of another organization', async () => {
    const given = alert()
    await store.insert([[given]])
    expect(await store.find(given.id, 'globex')).toEqual([])
    expect(await store.find(given.id, undefined)).toHaveLength(1)
  })

  it('takes the same id with the same fingerprint once, and says that it was there', async () => {
    const given = alert({ id: unique('own'), fingerprint: 'f' })
    const again = { ...given, receivers: [receiver()] }
    expect(await store.insert([[given]])).toEqual([{ status: 'accepted', alerts: [{ id: given.id }] }])
    expect(await store.insert([[again]])).toEqual([{ status: 'accepted', alerts: [{ id: given.id }], isKnown: true }])
    expect(await stateOf(given.id)).toEqual(['pending'])
  })

  it('refuses the same id with another fingerprint, with all of its request and nothing of others', async () => {
    const there = alert({ id: unique('own'), fingerprint: 'f' })
    await store.insert([[there]])
    const sibling = alert()
    const bystander = alert()
    const answers = await store.insert([[sibling, { ...there, fingerprint: 'g' }], [bystander]])
    expect(answers).toEqual([
      { status: 'conflict', index: 1, id: there.id },
      { status: 'accepted', alerts: [{ id: bystander.id }] },
    ])
    expect(await store.find(sibling.id, 'acme')).toEqual([])
    expect(await store.find(bystander.id, 'acme')).toHaveLength(1)
  })

  it('sees an id that is given twice in one request', async () => {
    const given = alert({ id: unique('own'), fingerprint: 'f' })
    expect(await store.insert([[given, { ...given, fingerprint: 'g' }]])).toEqual([
      { status: 'conflict', index: 1, id: given.id },
    ])
    expect(await store.insert([[given, given]])).toEqual([
      { status: 'accepted', alerts: [{ id: given.id }, { id: given.id }] },
    ])
  })

  it('stores a duplicate within the window without receivers, and forgets the key when the window is over', async () => {
    const dedupKey = unique('key')
    const first = alert({ dedupKey, dedupWindowMs: 300 })
    const second = alert({ dedupKey })
    const resolved = alert({ dedupKey, status: 'resolved' })
    expect(await store.insert([[first, second], [resolved]])).toEqual([
      { status: 'accepted', alerts: [{ id: first.id }, { id: second.id, duplicateOf: first.id }] },
      { status: 'accepted', alerts: [{ id: resolved.id }] },
    ])
    expect((await store.find(second.id, 'acme'))[0]).toMatchObject({ duplicateOf: first.id, receivers: [] })
    await expect
      .poll(async () => (await store.insert([[alert({ dedupKey, dedupWindowMs: 300 })]]))[0], { timeout: 20_000 })
      .toEqual({ status: 'accepted', alerts: [{ id: expect.any(String) as string }] })
  })

  it('keeps the keys of organizations apart', async () => {
    const dedupKey = unique('key')
    const mine = alert({ dedupKey })
    const theirs = alert({ dedupKey, organization: 'globex' })
    expect(await store.insert([[mine], [theirs]])).toEqual([
      { status: 'accepted', alerts: [{ id: mine.id }] },
      { status: 'accepted', alerts: [{ id: theirs.id }] },
    ])
  })

  it('stores an id and a key once, however many insert them at the same time', async () => {
    const dedupKey = unique('key')
    const id = unique('own')
    const race = Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? store : other))
    const same = await Promise.all(race.map((by) => by.insert([[alert({ id, fingerprint: 'f' })]])))
    const answers = same.flat().map((answer) => (answer.status === 'accepted' ? answer : undefined))
    expect(answers.map((answer) => answer?.alerts)).toEqual(race.map(() => [{ id }]))
    expect(answers.filter((answer) => answer?.isKnown !== true)).toHaveLength(1)
    const keyed = await Promise.all(race.map((by) => by.insert([[alert({ dedupKey })]])))
    const originals = keyed.flat().flatMap((answer) => (answer.status === 'accepted' ? answer.alerts : []))
    expect(originals.filter(({ duplicateOf }) => duplicateOf === undefined)).toHaveLength(1)
  })

  it('claims each message once, oldest first, and only where it is wanted', async () => {
    const destination = unique('webhook:host')
    const alerts = Array.from({ length: 10 }, () => alert({ receivers: [receiver({ destination })] }))
    await store.insert([alerts])
    const claims = await Promise.all([
      store.claim([{ destination, count: 3 }]),
      other.claim([{ destination, count: 3 }]),
      store.claim([{ destination: unique('nowhere'), count: 3 }]),
    ])
    const ids = claims.flat().map(({ alert: { id } }) => id)
    expect(new Set(ids).size).toBe(6)
    expect(ids.toSorted()).toEqual(
      alerts
        .slice(0, 6)
        .map(({ id }) => id)
        .toSorted(),
    )
    expect(await store.claim([{ destination, count: 100 }])).toHaveLength(4)
    expect(await store.claim([{ destination, count: 100 }])).toEqual([])
  })

  it('gives a claimed message with all that is needed to send it', async () => {
    const given = alert({ receivers: [receiver({ name: 'room', channel: 'slack' })] })
    await store.insert([[given]])
    const [claimed] = await store.claim([{ destination: given.receivers[0]?.destination ?? '', count: 1 }])
    expect(claimed).toMatchObject({
      id: given.receivers[0]?.id,
      receiver: 'room',
      channel: 'slack',
      attempts: [],
      reached: [],
      alert: { id: given.id, organization: 'acme', labels: given.labels },
    })
    expect(claimed?.leftMs).toBeGreaterThan(50_000)
  })

  it('keeps the first outcome, whoever comes second', async () => {
    const given = alert()
    const [{ id, destination }] = given.receivers as [NewReceiver]
    await store.insert([[given]])
    await store.claim([{ destination, count: 1 }])
    await settle(id, 'deadLettered', other)
    expect(await stateOf(given.id)).toEqual(['pending'])
    await settle(id, 'deadLettered')
    await settle(id, 'delivered')
    expect(await stateOf(given.id)).toEqual(['deadLettered'])
  })

  it('writes a delivery also when the claim was lost, since it is a fact', async () => {
    const given = alert()
    const [{ id, destination }] = given.receivers as [NewReceiver]
    await store.insert([[given]])
    await store.claim([{ destination, count: 1 }])
    await settle(id, 'delivered', other)
    expect(await stateOf(given.id)).toEqual(['delivered'])
  })

  it('gives a message that is handed back again when it is due, with its attempts', async () => {
    const given = alert()
    const [{ id, destination }] = given.receivers as [NewReceiver]
    await store.insert([[given]])
    await store.claim([{ destination, count: 1 }])
    const attempts = [{ at: 5, error: 'too busy' }]
    await store.record([
      { id, state: 'pending', attempts, reached: ['a@acme.example'], lastError: 'too busy', dueInMs: 2_000 },
    ])
    expect(await store.claim([{ destination, count: 1 }])).toEqual([])
    await expect
      .poll(() => store.claim([{ destination, count: 1 }]), { timeout: 20_000 })
      .toMatchObject([{ id, attempts, reached: ['a@acme.example'] }])
  })

  it('passes over a destination that is held back, until the hold is over', async () => {
    const given = alert()
    const destination = given.receivers[0]?.destination ?? ''
    await store.insert([[given]])
    await store.hold({ destination, leftMs: 2_500 }, '429')
    await store.hold({ destination, leftMs: 1_000 }, '429')
    const [held] = (await store.holds()).filter((hold) => hold.destination === destination)
    expect(held?.leftMs).toBeGreaterThan(1_000)
    expect(await store.claim([{ destination, count: 1 }])).toEqual([])
    await expect.poll(() => store.claim([{ destination, count: 1 }]), { timeout: 20_000 }).toHaveLength(1)
  })

  it('lets another worker have a message whose lease is over, and keeps one whose lease is renewed', async () => {
    const [lost, kept] = [alert(), alert()]
    await store.insert([[lost, kept]])
    const [lostAt = '', keptAt = ''] = [lost, kept].map(({ receivers }) => receivers[0]?.destination)
    await brief.claim([lostAt, keptAt].map((destination) => ({ destination, count: 1 })))
    await briefRenewing.renew([kept.receivers[0]?.id ?? ''])
    await expect.poll(() => store.claim([{ destination: lostAt, count: 1 }]), { timeout: 20_000 }).toHaveLength(1)
    expect(await store.claim([{ destination: keptAt, count: 1 }])).toEqual([])
  })

  it('names every destination that has pending messages, once, with when they are due', async () => {
    const before = (await store.backlog()).length
    const destinations = [unique('webhook:a'), unique('webhook:b')]
    await store.insert([destinations.map((destination) => alert({ receivers: [receiver({ destination })] }))])
    await store.insert([destinations.map((destination) => alert({ receivers: [receiver({ destination })] }))])
    const backlog = await store.backlog()
    expect(backlog).toHaveLength(before + 2)
    for (const destination of destinations)
      expect(backlog.find((waiting) => waiting.destination === destination)?.dueInMs).toBeLessThanOrEqual(0)
  })

  it('gives what waited longer than it may to one worker, also where the destination is held back', async () => {
    const given = alert({ maxAgeMs: 50 })
    const { id, destination } = given.receivers[0] ?? receiver()
    await store.hold({ destination, leftMs: 60_000 }, '429')
    await store.insert([[given]])
    const claimed = await until('it to be too old', async () => {
      const both = await Promise.all([store.claimExpired(100), other.claimExpired(100)])
      const own = both.flat().filter((message) => message.id === id)
      return own.length > 0 ? own : undefined
    })
    expect(claimed).toMatchObject([{ id, alert: { id: given.id }, receiver: 'ops', destination }])
    expect(claimed[0]?.leftMs).toBeLessThanOrEqual(0)
    expect((await store.claimExpired(100)).filter((message) => message.id === id)).toEqual([])
  })

  it('gives what is too old again when the worker that claimed it died', async () => {
    const given = alert({ maxAgeMs: 50 })
    const id = given.receivers[0]?.id ?? ''
    await store.insert([[given]])
    const claimedBy = (worker: AlertStore) =>
      until('it to be claimed', async () => (await worker.claimExpired(100)).find((message) => message.id === id))
    await claimedBy(brief)
    expect(await claimedBy(other)).toMatchObject({ id })
  })

  it('leaves what is too old to the worker that is sending it', async () => {
    const destination = unique('email:host')
    const given = alert({ maxAgeMs: 50, receivers: [receiver({ destination })] })
    await store.insert([[given]])
    const [claimed] = await store.claim([{ destination, count: 1 }])
    const late = alert({ maxAgeMs: 50 })
    await store.insert([[late]])
    await until('the other to be too old, and so both', async () =>
      (await other.claimExpired(100)).find(({ alert: { id } }) => id === late.id),
    )
    await store.record([{ id: claimed?.id ?? '', state: 'delivered', attempts: [], reached: [] }])
    expect(await stateOf(given.id)).toEqual(['delivered'])
  })

  it('keeps the id of a letter, and makes its message delivered when it was sent again', async () => {
    const given = alert()
    const { id, destination } = given.receivers[0] ?? receiver()
    await store.insert([[given]])
    await store.claim([{ destination, count: 1 }])
    const letterId = `acme.${id}`
    await store.record([
      { id, state: 'deadLettered', reason: 'rejected', attempts: [{ at: 1 }], reached: [], letterId },
    ])
    expect(await store.isDelivered('acme', id)).toBe(false)
    const facts = { id, alertId: given.id, receiver: 'ops', channel: 'email' as const, attempt: { at: 2 } }
    await store.recordRedriven([{ ...facts, organization: 'globex' }])
    expect(await stateOf(given.id)).toEqual(['deadLettered'])
    await store.recordRedriven([{ ...facts, organization: 'acme' }])
    await store.recordRedriven([{ ...facts, organization: 'acme' }])
    const [found] = await store.find(given.id, 'acme')
    expect(found?.receivers).toMatchObject([{ state: 'delivered', letterId, attempts: [{ at: 1 }, { at: 2 }] }])
    expect(found?.receivers[0]).not.toHaveProperty('reason')
    expect(await store.isDelivered('acme', id)).toBe(true)
    expect(await store.isDelivered('globex', id)).toBe(false)
  })

  it('keeps what a redrive put into the outbox, once', async () => {
    const organization = unique('outboxed')
    const facts = {
      id: unique('message'),
      alertId: 'a',
      receiver: 'ops',
      channel: 'email' as const,
      attempt: { at: 2 },
    }
    await store.recordRedriven([{ ...facts, organization, outbox: { to: [] } }])
    await store.recordRedriven([{ ...facts, organization, outbox: { to: [] } }])
    expect((await store.outbox({ organization, limit: 10 })).items).toMatchObject([
      { id: facts.id, message: { to: [] } },
    ])
  })

  it('keeps silenced receivers, and sends them nothing', async () => {
    const destination = unique('email:host')
    const given = alert({ receivers: [receiver({ destination, silenced: 'by ann' })] })
    await store.insert([[given]])
    expect((await store.find(given.id, 'acme'))[0]?.receivers[0]).toMatchObject({ state: 'silenced', reason: 'by ann' })
    expect(await store.claim([{ destination, count: 1 }])).toEqual([])
  })

  it('pages through the outbox, newest first, an organization at a time', async () => {
    const organization = unique('outboxed')
    const alerts = Array.from({ length: 5 }, () => alert({ organization }))
    await store.insert([alerts])
    const wanted = alerts.map(({ receivers }) => ({ destination: receivers[0]?.destination ?? '', count: 1 }))
    const claimed = await store.claim(wanted)
    await store.record(
      claimed.map(({ id }) => ({
        id,
        state: 'delivered',
        reason: 'outbox',
        attempts: [],
        reached: [],
        outbox: { id },
      })),
    )
    const first = await store.outbox({ organization, limit: 3 })
    const second = await store.outbox({
      organization,
      limit: 3,
      ...(first.next === undefined ? {} : { cursor: first.next }),
    })
    expect([...first.items, ...second.items].map(({ message }) => message)).toEqual(
      claimed.map(({ id }) => ({ id })).toSorted((a, b) => (a.id < b.id ? 1 : -1)),
    )
    expect(second.next).toBeUndefined()
  })

  it('tidies up, and everything that counts is still there', async () => {
    const given = alert()
    await store.insert([[given]])
    const ages = [
      ['over', -1],
      ['not-yet', 60_000],
    ] as const
    for (const [key, leftMs] of ages)
      await server.database.query('INSERT INTO groups VALUES ($1, $2, $2, $3::bigint)', [
        'acme',
        key,
        Date.now() + leftMs,
      ])
    await store.tidy()
    expect(await stateOf(given.id)).toEqual(['pending'])
    const kept = await server.database.query(`SELECT group_key FROM groups WHERE group_key IN ('over', 'not-yet')`)
    expect(kept).toEqual([{ group_key: 'not-yet' }])
  })

  it('sends what waits along where its receiver is now, and leaves what somebody is sending', async () => {
    const old = unique('email:old')
    const given = [alert(), alert()].map((each) => ({
      ...each,
      receivers: [receiver({ name: 'moving', destination: old })],
    }))
    await store.insert([given])
    const [taken] = await store.claim([{ destination: old, count: 1 }])
    const now = unique('email:new')
    await store.redirect((_organization, name) => (name === 'moving' ? now : undefined))
    const moved = await store.claim([{ destination: now, count: 10 }])
    const waiting = given.flatMap(({ receivers }) => receivers.map(({ id }) => id)).filter((id) => id !== taken?.id)
    expect(waiting).toHaveLength(1)
    expect(moved.map(({ id }) => id)).toEqual(waiting)
    const left = await server.database.query('SELECT destination FROM receivers WHERE id = $1', [taken?.id])
    expect(left).toEqual([{ destination: old }])
  })

  it('forgets alerts that ended more than 30 days ago, and none that waits or has ended since', async () => {
    const [ended, waiting, late] = [alert(), alert(), alert()]
    await store.insert([[ended, waiting, late]])
    const longAgo = Date.now() - 31 * 86_400_000
    for (const { id } of [ended, waiting, late])
      await server.database.query('UPDATE alerts SET accepted_at = $2 WHERE id = $1', [id, longAgo])
    for (const [{ id }, at] of [
      [ended, longAgo],
      [late, Date.now()],
    ] as const)
      await server.database.query(`UPDATE receivers SET state = 'delivered', settled_at = $2 WHERE alert_id = $1`, [
        id,
        at,
      ])
    await store.tidy()
    expect(await stateOf(ended.id)).toBeUndefined()
    expect(await stateOf(waiting.id)).toEqual(['pending'])
    expect(await stateOf(late.id)).toEqual(['delivered'])
    const left = await server.database.query('SELECT id FROM receivers WHERE alert_id = $1', [ended.id])
    expect(left).toEqual([])
  })

  it('still counts what it has forgotten in trends, as far as they reach', async () => {
    const organization = unique('forgetful')
    const today = dayOf(Date.now())
    const ages = [0, 40, 40, 89, 90, 400]
    const given = ages.map(() => alert({ organization, receivers: [] }))
    await store.insert([given])
    for (const [index, { id }] of given.entries())
      await server.database.query('UPDATE alerts SET accepted_at = $2::bigint WHERE id = $1', [
        id,
        (today - (ages[index] ?? 0)) * dayMs,
      ])
    const trend = async () => (await store.trends(organization, { days: 90, lastDay: today })).map(({ count }) => count)
    const before = await trend()
    expect(before.flatMap((count, index) => (count === 0 ? [] : [[89 - index, count]]))).toEqual([
      [89, 1],
      [40, 2],
      [0, 1],
    ])
    await store.tidy()
    expect(await store.counts(organization)).toMatchObject({ total: 1 })
    expect(await trend()).toEqual(before)
    await store.tidy()
    const kept = await server.database.query('SELECT day, count FROM forgotten WHERE organization = $1 ORDER BY day', [
      organization,
    ])
    expect(kept).toEqual([
      { day: today - 89, count: 1 },
      { day: today - 40, count: 2 },
    ])
  })
})

describe('the alert store of a single process', () => {
  it('gives at start what the process before it had claimed', async () => {
    const server = await startPglite()
    const before = await openAlertStore(server.database, { worker: 'before' })
    const given = alert()
    const wanted = [{ destination: given.receivers[0]?.destination ?? '', count: 1 }]
    await before.insert([[given]])
    expect(await before.claim(wanted)).toHaveLength(1)
    expect(await before.claim(wanted)).toEqual([])
    const after = await openAlertStore(server.database, { worker: 'after' })
    expect(await after.claim(wanted)).toHaveLength(1)
    await server.end()
  })

  it('starts anew when its first start was cut short, and throws nothing away', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'switchgear-torn-'))
    mkdirSync(join(folder, 'pgdata'))
    writeFileSync(join(folder, 'pgdata', 'PG_VERSION'), '18')
    const database = await openPglite(folder)
    await openAlertStore(database, { worker: 'w' })
    await database.close()
    expect(readdirSync(folder).filter((name) => name.startsWith('pgdata.incomplete'))).toHaveLength(1)
    rmSync(folder, { recursive: true, force: true })
  })

  it('names the variable when its folder would stand in a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'switchgear-file-'))
    writeFileSync(join(folder, 'file'), '')
    await expect(openPglite(join(folder, 'file', 'data'))).rejects.toMatchObject({ path: 'DATA_DIR' })
    await expect(openPglite(join(folder, 'file'))).rejects.toMatchObject({ path: 'DATA_DIR' })
    rmSync(folder, { recursive: true, force: true })
  })

  it('lets one process have its folder, and takes over from one that is dead', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'switchgear-lock-'))
    const unlock = await lockDirectory(folder)
    await expect(lockDirectory(folder)).rejects.toMatchObject({ path: 'DATA_DIR' })
    await unlock()
    for (const left of ['{"pid":4194304,"startedAt":"1"}', `{"pid":${process.pid},"startedAt":"1"}`, '{"pi', '']) {
      writeFileSync(join(folder, 'lock.json'), left)
      await (
        await lockDirectory(folder)
      )()
    }
    expect(readdirSync(folder)).toEqual([])
    rmSync(folder, { recursive: true, force: true })
  })

  it('takes over from one that is dead and not yet buried by its parent', async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'])
    onTestFinished(() => void parent.kill('SIGKILL'))
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(line)
    const state = (): string[] => (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? '').split(' ')
    await until('it to be dead', () => state()[0] === 'Z' || undefined)
    const folder = mkdtempSync(join(tmpdir(), 'switchgear-lock-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    writeFileSync(join(folder, 'lock.json'), JSON.stringify({ pid, startedAt: state()[19] }))
    const unlock = await lockDirectory(folder)
    await unlock()
  })

  it('goes to one of several that find the lock of a dead process at the same time', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'switchgear-locks-'))
    for (let round = 0; round < 20; round += 1) {
      for (const name of ['lock.json', 'lock.json.takeover'])
        writeFileSync(join(folder, name), '{"pid":4194304,"startedAt":"1"}')
      const starts = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(folder)))
      const [won, ...others] = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
      expect(others).toEqual([])
      await won?.()
      expect(readdirSync(folder)).toEqual([])
    }
    rmSync(folder, { recursive: true, force: true })
  })
})
