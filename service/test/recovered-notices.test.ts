import { createSwitchgear } from 'switchgear'
import { expect, it } from 'vitest'
import { parseConfig } from '../src/config/load-config.ts'
import { organizationsOf } from '../src/config/organizations.ts'
import { recoveredNotices } from '../src/intake/recovered-notices.ts'

const destination = 'webhook:acme.example'
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const hook = { name: 'hook', channel: 'webhook', url: 'https://acme.example/alerts', secret }
const organizations = organizationsOf(
  parseConfig(
    JSON.stringify({
      organizations: { acme: { receivers: [hook], recoveredNotices: true }, quiet: { receivers: [hook] } },
    }),
    'test',
  ),
  {},
)

it('A receiver is told what it missed when its destination takes messages again, and not before; who did not ask is not', async () => {
  const gear = createSwitchgear()
  const breaker = gear.breaker(destination, { failureThreshold: 1 })
  await breaker.run(() => Promise.reject(new Error('down'))).catch(() => {})
  const told: string[] = []
  const woken: string[] = []
  const notices = recoveredNotices({
    store: {
      missed: async () => [
        { organization: 'acme', receiver: 'hook' },
        { organization: 'acme', receiver: 'gone' },
        { organization: 'quiet', receiver: 'hook' },
      ],
      async tellMissed({ organization }, notice) {
        const { receivers, title } = notice({ count: 2, firstAt: 1, lastAt: 2 })
        told.push(`${organization}: ${title}, to ${receivers.map(({ name }) => name).join()}`)
        return true
      },
    },
    organizations,
    gear,
    logger: { info() {}, warn() {}, error() {} },
    onStored: (destinations) => void woken.push(...destinations),
  })
  await notices.now()
  expect(told).toEqual([])
  await breaker.disable({ by: 'ann', reason: 'it is back' })
  await notices.now()
  expect(told).toEqual([`acme: Recovered: ${destination} takes messages again, to hook`])
  expect(woken).toEqual([destination])
  await notices.stop()
  await gear.close()
})
