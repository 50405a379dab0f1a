import { createSwitchgear } from 'switchgear'
import { afterEach, expect, it } from 'vitest'
import { parseConfig } from '../src/config/load-config.ts'
import { organizationsOf } from '../src/config/organizations.ts'
import { createArrivals } from '../src/intake/arrivals.ts'
import { recoveredNotices } from '../src/intake/recovered-notices.ts'

const destination = 'webhook:acme.example'
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const hook = { name: 'hook', channel: 'webhook', url: 'https://acme.example/alerts', secret } as const
const organizations = organizationsOf(
  parseConfig(
    JSON.stringify({
      organizations: {
        acme: { receivers: [hook, { ...hook, name: 'other' }], recoveredNotices: true },
        quiet: { receivers: [hook] },
      },
    }),
    'test',
  ),
  {},
)

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** When the last message was missed, by the clock of a database that is behind. */
const lastAt = Date.now() - 60_000

function startNotices(receivers: readonly string[] = ['hook']) {
  const gear = createSwitchgear()
  const arrivals = createArrivals(organizations)
  const arrived = { organization: 'acme', alertId: 'a', receiver: 'hook', channel: 'webhook' } as const
  let heldMs = 0
  const told: string[] = []
  const woken: string[] = []
  const notices = recoveredNotices({
    store: {
      missed: async () => [
        ...receivers.map((receiver) => ({ organization: 'acme', receiver, lastAt })),
        { organization: 'acme', receiver: 'gone', lastAt },
        { organization: 'quiet', receiver: 'hook', lastAt },
      ],
      async tellMissed({ organization }, notice) {
        const alert = notice({ count: 2, firstAt: 1, lastAt: 2 })
        told.push(`${organization}: ${alert.title}, to ${alert.receivers.map(({ name }) => name).join()}`)
        return true
      },
    },
    ...{ organizations, gear, arrivals },
    holds: { leftMs: (held) => (held === destination ? heldMs : 0) },
    logger: { info() {}, warn() {}, error() {} },
    onStored: (destinations) => void woken.push(...destinations),
  })
  ends.push(async () => {
    await notices.stop()
    await gear.close()
  })
  return {
    ...{ gear, notices, told, woken },
    breaker: gear.breaker(destination, { failureThreshold: 1 }),
    settled: (state: 'delivered' | 'deadLettered', settledAt = lastAt) =>
      arrivals.settled([{ ...arrived, state, settledAt }]),
    hold: (ms: number) => void (heldMs = ms),
  }
}

it('A receiver is told what it missed when its destination has taken a message; who did not ask is not', async () => {
  const { notices, settled, told, woken } = startNotices()
  settled('delivered')
  await notices.now()
  expect(told).toEqual([`acme: Recovered: ${destination} takes messages again, to hook`])
  expect(woken).toEqual([destination])
})

it('That nothing is known of a destination, as after a restart, is no sign that it takes messages again', async () => {
  const { notices, settled, told } = startNotices()
  await notices.now()
  settled('deadLettered')
  await notices.now()
  expect(told).toEqual([])
})

it('What arrived before the last message was missed is no sign either', async () => {
  const { notices, settled, told } = startNotices()
  settled('delivered', lastAt - 1)
  await notices.now()
  expect(told).toEqual([])
})

it('Nobody is told while the breaker is open, or the destination asked to be left alone', async () => {
  const { notices, settled, told, breaker, hold } = startNotices()
  settled('delivered')
  await breaker.run(() => Promise.reject(new Error('down'))).catch(() => {})
  await notices.now()
  expect(told).toEqual([])
  await breaker.disable({ by: 'ann', reason: 'it is back' })
  hold(1_000)
  await notices.now()
  expect(told).toEqual([])
  hold(0)
  await notices.now()
  expect(told).toHaveLength(1)
})

it('Notices wait until the limit of their channel has room, so that none of them is refused', async () => {
  const { notices, settled, told, gear } = startNotices(['hook', 'other'])
  settled('delivered')
  await gear.limiter.check('acme', [{ name: 'webhook', cost: 199 }])
  await notices.now()
  expect(told).toHaveLength(1)
  await gear.limiter.check('acme', 'webhook')
  await notices.now()
  expect(told).toHaveLength(1)
})
