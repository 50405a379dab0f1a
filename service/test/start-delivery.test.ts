import { pipelineGauge, UnavailableError } from 'switchgear'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { until } from '../../test/servers/until.ts'
import type { Sending } from '../src/channels/channel.ts'
import { parseConfig } from '../src/config/load-config.ts'
import { organizationsOf } from '../src/config/organizations.ts'
import { drainDeadlineMs } from '../src/delivery/deliver-messages.ts'
import { createEngine } from '../src/delivery/engine.ts'
import { sharedHolds } from '../src/delivery/holds.ts'
import { startDelivery } from '../src/delivery/start-delivery.ts'
import { createOpened } from '../src/opened.ts'
import { type AlertStore, leaseMsDefault, openAlertStore } from '../src/store/alert-store.ts'
import { startPglite, type TestDatabase } from './store/start-databases.ts'

const logger = { info() {}, warn() {}, error() {} }
const destination = 'webhook:acme.example'
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const receivers = [{ name: 'hook', channel: 'webhook', url: 'https://acme.example/alerts', secret }]
const organizations = organizationsOf(
  parseConfig(JSON.stringify({ organizations: { acme: { receivers } } }), 'test'),
  {},
)

let shared: TestDatabase
beforeAll(async () => {
  shared = await startPglite()
})
afterAll(() => shared?.end())

const ends: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

/** One of several that use the same database. */
const openStore = (worker: string): Promise<AlertStore> =>
  openAlertStore({ ...shared.database, embedded: false }, { worker })

/** An instance that sends what stands in the store. */
function instance(store: AlertStore, send: (sending: Sending<'webhook'>) => Promise<void>) {
  const engine = createEngine({}, { fleet: 'f', instance: 'i', logger })
  const holds = sharedHolds({ store, logger })
  const opened = createOpened()
  const channels = { webhook: { send, close: async () => {} } }
  const deliveries = startDelivery({
    ...{ store, engine, organizations, holds, channels, logger, opened },
    gauge: pipelineGauge(),
  })
  ends.push(
    () => engine.gear.close(),
    () => opened.letGo(),
  )
  return { deliveries, holds }
}

/** Stores one message, and gives its id. */
async function storeMessage(store: AlertStore, id: string): Promise<string> {
  const of = { organization: 'acme', dedupWindowMs: 1, maxAgeMs: 600_000, severity: 'high', status: 'firing' } as const
  const hook = { id, name: 'hook', channel: 'webhook', destination } as const
  await store.insert([[{ ...of, id, type: 'disk', title: 'Full', message: 'sda', labels: {}, receivers: [hook] }]])
  return id
}

const stateOf = async (store: AlertStore, id: string) => (await store.find(id, 'acme'))[0]?.receivers[0]?.state

describe('an instance', () => {
  it('renews the lease of what it is sending for long, before it is over', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    ends.push(() => void vi.useRealTimers())
    const store = await openStore('one')
    const renewed: (readonly string[])[] = []
    const renew = async (ids: readonly string[]): Promise<void> => {
      await store.renew(ids)
      renewed.push(ids)
    }
    let arrive: (() => void) | undefined
    const { deliveries } = instance({ ...store, renew }, () => new Promise((resolve) => (arrive = resolve)))
    const id = await storeMessage(store, 'long')
    deliveries.wake([destination])
    const end = await until('it to be sent', () => arrive)
    // Once may fail, and the next is still in time.
    for (const times of [1, 2]) {
      vi.advanceTimersByTime(leaseMsDefault / 2 - 1)
      await until('its lease to be renewed', () => renewed[times - 1])
    }
    expect(renewed.slice(0, 2)).toEqual([[id], [id]])
    end()
    await deliveries.drain()
    expect(await stateOf(store, id)).toBe('delivered')
  })

  it('leaves a destination alone that asked another instance for it', async () => {
    const [store, other] = [await openStore('one'), await openStore('two')]
    const { deliveries, holds } = instance(store, async () => {})
    expect(holds.leftMs(destination)).toBe(0)
    await other.hold({ destination, leftMs: 60_000 }, 'Retry-After')
    ends.push(() => shared.database.query('DELETE FROM holds'))
    const leftMs = await until('it to hear of that', () => holds.leftMs(destination) || undefined)
    expect(leftMs).toBeGreaterThan(30_000)
    await deliveries.drain()
  })

  it('ends in time when the store is away, and leaves to others what it could not write', async () => {
    const store = await openStore('one')
    let sent = 0
    const record = () => Promise.reject(new UnavailableError('PostgreSQL', 'it is away'))
    const { deliveries } = instance({ ...store, record }, async () => void (sent += 1))
    const id = await storeMessage(store, 'unwritten')
    deliveries.wake([destination])
    await until('it to be sent', () => sent || undefined)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    ends.push(() => void vi.useRealTimers())
    let isOver = false
    void deliveries.drain().then(() => (isOver = true))
    vi.advanceTimersByTime(drainDeadlineMs)
    await until('the end', () => isOver || undefined, 10_000)
    expect(await stateOf(store, id)).toBe('pending')
  })
})
