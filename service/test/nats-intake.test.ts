import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as silentFor } from 'node:timers/promises'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type DeadLetters, memoryDeadLetters, type Limiter, memoryLimiter, UnavailableError } from 'switchgear'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { readDocument, schemasOf } from '../../test/asyncapi/document.ts'
import { sized } from '../../test/sized.ts'
import { type NatsNode, startNatsNode } from '../../test/servers/nats-node.ts'
import { until } from '../../test/servers/until.ts'
import { parseConfig } from '../src/config/load-config.ts'
import { type Organizations, organizationsOf } from '../src/config/organizations.ts'
import { alertDraftSchema } from '../src/intake/alert-schema.ts'
import { alertIntake } from '../src/intake/accept-alerts.ts'
import { alertSubject } from '../src/intake/nats-alerts.ts'
import { type NatsIntake, type NatsIntakeOptions, startNatsIntake } from '../src/intake/nats-intake.ts'
import { type AlertStore, openAlertStore } from '../src/store/alert-store.ts'
import { openPglite } from '../src/store/pglite.ts'
import { prepareData } from './store/prepare-data.ts'

const receivers = [{ name: 'room', channel: 'slack', url: 'https://hooks.slack.com/services/x' }]
const config = { organizations: { acme: { receivers }, 'ünder .line': { receivers } } }
const organizations: Organizations = organizationsOf(parseConfig(JSON.stringify(config), 'test'), {})

let nats: NatsNode
let nc: NatsConnection
let store: AlertStore
const folder = mkdtempSync(join(tmpdir(), 'switchgear-nats-intake-'))
beforeAll(async () => {
  nats = await startNatsNode()
  nc = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  await prepareData(folder)
  store = await openAlertStore(await openPglite(folder), { worker: 'test' })
})
afterAll(async () => {
  await Promise.all([nc.close(), store.close()])
  await nats.remove()
  rmSync(folder, { recursive: true, force: true })
})

const open: NatsIntake[] = []
afterEach(async () => void (await Promise.all(open.splice(0).map((one) => one.stop()))))

/** An intake of its own fleet over the common store, which may be said to be away. */
function takingIn(
  fleet: string,
  {
    limiter = memoryLimiter(),
    urls = [nats.url],
    manage = true,
  }: Partial<Pick<NatsIntakeOptions, 'urls' | 'manage'>> & {
    readonly limiter?: Limiter
  } = {},
) {
  let away = false
  let askedInVain = 0
  let lost = false
  const asked =
    <A extends unknown[], R>(ask: (...given: A) => Promise<R>) =>
    async (...given: A): Promise<R> => {
      if (away) askedInVain += 1
      const answer = away ? undefined : await ask(...given)
      if (answer === undefined || lost) throw new UnavailableError('the store', 'it did not answer')
      return answer
    }
  const intake = alertIntake({
    organizations,
    store: {
      insert: asked((requests) => store.insert(requests)),
      findKnown: (alerts) => store.findKnown(alerts),
    },
    limiter,
    onStored: () => {},
  })
  const deadLetters: DeadLetters = memoryDeadLetters()
  const told: string[] = []
  const tell = (_: object, message: string): void => void told.push(message)
  const logger = { info: tell, warn: tell, error: tell }
  const start = (): NatsIntake => {
    const one = startNatsIntake({ urls, fleet, manage, intake, organizations, deadLetters, logger })
    open.push(one)
    return one
  }
  return {
    start,
    deadLetters,
    told,
    storeIsAway: (value: boolean) => void (away = value),
    askedInVain: () => askedInVain,
    answersAreLost: (value: boolean) => void (lost = value),
  }
}

const alert = (more: object = {}): object => ({
  organization: 'acme',
  severity: 'high',
  status: 'firing',
  type: 'disk',
  title: 'Disk full',
  message: 'No space',
  ...more,
})

async function publish(
  fleet: string,
  body: object | string | Uint8Array,
  organization = 'acme',
  over = nc,
): Promise<void> {
  const data = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
  await until('the stream to take it', () =>
    jetstream(over).publish(alertSubject(fleet, organization), data, { timeout: 1_000 }),
  )
}

/** What the server knows of the fleet's consumer, and how much its stream still has. */
async function account(fleet: string): Promise<{ pending: number; inHand: number; left: number }> {
  const jsm = await jetstreamManager(nc)
  const stream = `SWITCHGEAR_ALERTS_${fleet}`
  const [info, { state }] = [await jsm.consumers.info(stream, 'intake'), await jsm.streams.info(stream)]
  return { pending: info.num_pending, inHand: info.num_ack_pending, left: state.messages }
}

const stored = (organization: string, id: string): Promise<true | undefined> =>
  store.find(id, organization).then((found) => (found.length > 0 ? true : undefined))

describe('alerts over NATS', () => {
  test('are stored, and acknowledged after that: the stream forgets them', async () => {
    const { start } = takingIn('first')
    const taking = start()
    await publish('first', alert({ id: 'n-1' }))
    await publish('first', alert({ id: 'n-2', organization: 'ünder .line' }), 'ünder .line')
    await until('both to be stored', async () => (await stored('acme', 'n-1')) && (await stored('ünder .line', 'n-2')))
    await until('the stream to be empty', async () => ((await account('first')).left === 0 ? true : undefined))
    expect(taking.counts).toEqual({ stored: 2, limited: 0, invalid: 0 })
  })

  test('are not acknowledged while the store is away, however long, and are stored once when it is back', async () => {
    const { start, storeIsAway } = takingIn('away')
    storeIsAway(true)
    const taking = start()
    for (let n = 0; n < 50; n += 1) await publish('away', alert({ id: `a-${n}` }))
    await until('all to be in hand', async () => ((await account('away')).inHand === 50 ? true : undefined))
    const since = performance.now()
    await until('two seconds', () => performance.now() - since > 2_000 || undefined)
    expect(await account('away')).toEqual({ pending: 0, inHand: 50, left: 50 })
    storeIsAway(false)
    await until('the stream to be empty', async () => ((await account('away')).left === 0 ? true : undefined), 20_000)
    expect(taking.counts).toMatchObject({ stored: 50 })
    for (let n = 0; n < 50; n += 1) expect(await stored('acme', `a-${n}`)).toBe(true)
  })

  test('come again to another instance when one stops without having stored them', async () => {
    const one = takingIn('handed')
    one.storeIsAway(true)
    const stopping = one.start()
    await publish('handed', alert({ id: 'h-1' }))
    await until('it to be in hand', async () => ((await account('handed')).inHand === 1 ? true : undefined))
    await stopping.stop()
    takingIn('handed').start()
    await until('it to be stored', () => stored('acme', 'h-1'))
  })

  test('without an id are stored once, also when nobody learns that they were, and they come again elsewhere', async () => {
    const fleet = 'again'
    const { start, answersAreLost } = takingIn(fleet)
    answersAreLost(true)
    const first = start()
    await publish(fleet, alert({ title: 'no id' }))
    const there = () => store.search({ organization: 'acme', text: 'no id', limit: 10 })
    await until('it to be stored', async () => ((await there()).items.length > 0 ? true : undefined))
    await first.stop()
    expect(await account(fleet)).toMatchObject({ left: 1 })
    answersAreLost(false)
    const second = start()
    await until('it to be acknowledged', async () => ((await account(fleet)).left === 0 ? true : undefined))
    expect(second.counts.stored).toBe(1)
    const { items } = await there()
    expect(items).toHaveLength(1)
    expect(items[0]?.id).toMatch(/^SWITCHGEAR_ALERTS_again\.1\.\d+$/)
  })
})

describe('a message that is no alert', () => {
  test.each([
    ['no JSON', '{"organization":'],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ['a field that is missing', alert({ severity: undefined })],
    ['a field that nobody knows', alert({ color: 'red' })],
    ['another organization than its subject', alert({ organization: 'ünder .line' })],
    ['a list', [alert()]],
  ])('is terminated, logged, counted and dead-lettered: %s', async (_what, body) => {
    const fleet = `bad-${Math.random().toString(36).slice(2)}`
    const { start, deadLetters, told } = takingIn(fleet)
    const taking = start()
    await publish(fleet, body)
    await until('its letter', async () =>
      (await deadLetters.count({ errorType: 'invalid' })) === 1 ? true : undefined,
    )
    await until('the stream to be empty', async () => ((await account(fleet)).left === 0 ? true : undefined))
    const { items } = await deadLetters.list({ organization: 'acme', channel: 'intake' })
    expect(items).toHaveLength(1)
    expect(taking.counts).toEqual({ stored: 0, limited: 0, invalid: 1 })
    expect(told).toContain('a message was dead-lettered')
  })

  test('of an organization that is not configured becomes a letter of the operator', async () => {
    const { start, deadLetters } = takingIn('unknown')
    start()
    await publish('unknown', alert({ organization: 'nobody' }), 'nobody')
    await until('its letter', async () => ((await deadLetters.count({ organization: '*' })) === 1 ? true : undefined))
    const { items } = await deadLetters.list({ organization: '*' })
    expect(items[0]?.error.message).toContain('"nobody" is not known')
  })

  test('is one with the id of another alert, and does not loop', async () => {
    const { start, deadLetters } = takingIn('conflict')
    start()
    await publish('conflict', alert({ id: 'c-1' }))
    await until('it to be stored', () => stored('acme', 'c-1'))
    await publish('conflict', alert({ id: 'c-1', title: 'another' }))
    await until('its letter', async () =>
      (await deadLetters.count({ errorType: 'invalid' })) === 1 ? true : undefined,
    )
    await until('the stream to be empty', async () => ((await account('conflict')).left === 0 ? true : undefined))
  })
})

describe('an organization that is over its limit', () => {
  const limits = { alerts: { limit: 3, windowMs: 60_000 } }
  const other = 'ünder .line'

  test('has its messages wait in the stream, where they take no place from others', async () => {
    const { start } = takingIn('limited', { limiter: memoryLimiter({ limits }) })
    const taking = start()
    for (let n = 0; n < 10; n += 1) await publish('limited', alert({ id: `l-${n}` }))
    await publish('limited', alert({ id: 'l-other', organization: other }), other)
    await until('the other to be stored', () => stored(other, 'l-other'))
    await until('seven to be handed back', () => taking.counts.limited >= 7 || undefined)
    expect(taking.counts.stored).toBe(4)
    expect(await account('limited')).toMatchObject({ left: 7 })
  })

  test('holds up nobody with a flood: another is stored at once, while all that are over wait', async () => {
    // More than any instance takes at once; in the proof more than a consumer with a bound of its own had let wait.
    const flood = sized(1_500, 15_000)
    const { start } = takingIn('flooded', { limiter: memoryLimiter({ limits }) })
    const taking = start()
    const tookMs = async (id: string): Promise<number> => {
      const since = performance.now()
      await publish('flooded', alert({ id, organization: other }), other)
      await until(`${id} to be stored`, () => stored(other, id))
      return performance.now() - since
    }
    const aloneMs = await tookMs('fl-alone')
    const js = jetstream(nc)
    const subject = alertSubject('flooded', 'acme')
    for (let n = 0; n < flood; n += 500)
      await Promise.all(
        Array.from({ length: 500 }, (_, index) =>
          js.publish(subject, JSON.stringify(alert({ id: `fl-${n + index}` })), { timeout: 30_000 }),
        ),
      )
    await until('all over the limit to be handed back', () => taking.counts.limited >= flood - 3 || undefined, 60_000)
    const besideMs = await tookMs('fl-beside')
    process.stdout.write(
      `an alert over NATS is stored after ${aloneMs.toFixed(0)} ms alone, ${besideMs.toFixed(0)} ms beside ${flood} that wait\n`,
    )
    // They wait on the server, and come back one by one.
    expect(await account('flooded')).toMatchObject({ left: flood - 3 })
    const { config } = await (await jetstreamManager(nc)).consumers.info('SWITCHGEAR_ALERTS_flooded', 'intake')
    expect(config.max_ack_pending).toBe(1_000_000)
  })

  test('is refused when its share of the stream is full, and others are not', async () => {
    const { start } = takingIn('shared', { limiter: memoryLimiter({ limits }) })
    const taking = start()
    await publish('shared', alert({ id: 'sh-0' }))
    const jsm = await jetstreamManager(nc)
    const { config } = await jsm.streams.info('SWITCHGEAR_ALERTS_shared')
    expect(config.max_msgs_per_subject).toBe(config.max_msgs / 10)
    await jsm.streams.update('SWITCHGEAR_ALERTS_shared', { max_msgs_per_subject: 2 })
    await until('it to be stored', () => stored('acme', 'sh-0'))
    for (let n = 1; n < 5; n += 1) await publish('shared', alert({ id: `sh-${n}` }))
    await until('two to be over the limit', () => taking.counts.limited >= 2 || undefined)
    const more = jetstream(nc).publish(alertSubject('shared', 'acme'), JSON.stringify(alert({ id: 'sh-5' })))
    await expect(more).rejects.toThrow(/per subject/)
    await publish('shared', alert({ id: 'sh-other', organization: other }), other)
    await until('the other to be stored', () => stored(other, 'sh-other'))
  })
})

test('a server that is away at the start, or is restarted, is waited for', async () => {
  const { start } = takingIn('patient')
  await nats.kill()
  start()
  await nats.start()
  await publish('patient', alert({ id: 'p-1' }))
  await until('it to be stored', () => stored('acme', 'p-1'), 30_000)
  await nats.kill()
  await nats.start()
  await publish('patient', alert({ id: 'p-2' }))
  await until('it to be stored', () => stored('acme', 'p-2'), 30_000)
})

test('stops in time while the server is frozen, and what it had in hand is there afterwards', async () => {
  const { start, storeIsAway, askedInVain } = takingIn('frozen')
  storeIsAway(true)
  const taking = start()
  await publish('frozen', alert({ id: 'f-1' }))
  // The server counts it before it has come.
  await until('it to be in hand', () => askedInVain() > 0 || undefined)
  nats.freeze()
  // A process that is told to stop may answer once more.
  await until('the server to be silent', () => Promise.race([nc.flush().then(() => undefined), silentFor(100, true)]))
  const since = performance.now()
  await taking.stop()
  const tookMs = performance.now() - since
  nats.thaw()
  // An answer has 5 s, and so has the goodbye.
  expect(tookMs).toBeGreaterThan(4_500)
  expect(tookMs).toBeLessThan(12_000)
  storeIsAway(false)
  start()
  await until('it to be stored', () => stored('acme', 'f-1'), 40_000)
})

describe('what the fleet does in production', () => {
  test('is no more than an instance with the least permissions may: it takes alerts in, and makes no stream', async () => {
    const config = readFileSync(new URL('../../ops/nats/fleets.conf', import.meta.url), 'utf8')
    const guarded = await startNatsNode({ config })
    const url = (user: string): string => guarded.url.replace('nats://', `nats://${user}:${user}@`)
    const { start, told } = takingIn('alerts', { urls: [url('alerts')], manage: false })
    start()
    await until('it to say that there is no stream', () => told.length > 0 || undefined)
    takingIn('alerts', { urls: [url('alerts-operator')] }).start()
    const operator = await connect({ servers: guarded.url, user: 'alerts-operator', pass: 'alerts-operator' })
    await publish('alerts', alert({ id: 'g-1' }), 'acme', operator)
    await until('it to be stored', () => stored('acme', 'g-1'))
    await Promise.all(open.splice(1).map((one) => one.stop()))
    await until('it to be taken in', () => told.includes('alerts are taken in over NATS') || undefined, 30_000)
    await publish('alerts', alert({ id: 'g-2' }), 'acme', operator)
    await until('it to be stored', () => stored('acme', 'g-2'))
    await Promise.all([operator.close(), ...open.splice(0).map((one) => one.stop())])
    await guarded.remove()
  })

  test('stands in the description of the subjects: an alert there is an alert here', () => {
    const document = readDocument()
    const described = schemasOf(document)('#/components/schemas/alert')
    const cases = [
      alert(),
      alert({ id: 'x', dedupKey: 'k', labels: { team: 'payments' }, occurredAt: 0 }),
      alert({ severity: 'fatal' }),
      alert({ title: '' }),
      alert({ message: 'x'.repeat(20_001) }),
      alert({ labels: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`l${n}`, 'x'])) }),
      alert({ labels: { team: 7 } }),
      alert({ occurredAt: 8.64e15 + 1 }),
      alert({ color: 'red' }),
      [alert()],
    ]
    expect(cases.map((one) => described(one))).toEqual(cases.map((one) => alertDraftSchema.safeParse(one).success))
    expect(document.channels['alerts']?.address).toBe(
      alertSubject('{fleet}', 'acme').replace(/acme$/, '{organization}'),
    )
  })
})
