import { UnavailableError } from 'switchgear'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import type { Sending } from '../src/channels/channel.ts'
import { parseConfig } from '../src/config/load-config.ts'
import { organizationsOf } from '../src/config/organizations.ts'
import { resender, type ResenderOptions } from '../src/dead-letters/resender.ts'
import { createEngine } from '../src/delivery/engine.ts'
import { sharedHolds } from '../src/delivery/holds.ts'

const logger = { info() {}, warn() {}, error() {} }
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const receivers = [{ name: 'hook', channel: 'webhook', url: 'https://acme.example/alerts', secret }]
const organizations = organizationsOf(
  parseConfig(JSON.stringify({ organizations: { acme: { receivers } } }), 'test'),
  {},
)
const alert = { organization: 'acme', id: 'a', severity: 'high', status: 'firing', type: 't', title: 't', message: 'm' }
const payload = { alert: { ...alert, labels: {}, acceptedAt: 1 }, receiver: 'hook' }

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** One letter that is being sent again, by a worker of its own. */
async function redriven({
  send = async () => {},
  ...store
}: Partial<ResenderOptions['store']> & { readonly send?: (sending: Sending<'webhook'>) => Promise<void> }) {
  const { gear, retry } = createEngine({}, { fleet: 'f', instance: 'i', logger })
  ends.push(() => gear.close())
  const { deadLetters, limiter } = gear
  const sent: Sending<'webhook'>[] = []
  const again = resender({
    ...{ gear, deadLetters, retry, organizations, logger },
    holds: sharedHolds({ store: { hold: async () => {} }, logger }),
    store: { isDelivered: async () => false, recordRedriven: async () => {}, ...store },
    channels: {
      webhook: {
        async send(sending) {
          sent.push(sending)
          await send(sending)
        },
        close: async () => {},
      },
    },
  })
  const draft = { organization: 'acme', channel: 'webhook', messageId: 'm', payload, error: 'no' }
  const { id } = await deadLetters.enqueue(draft)
  const [job] = await deadLetters.redrives.start([id])
  const stop = new AbortController()
  const work = deadLetters.redrives.work(job?.id ?? '', { ...again.how, signal: stop.signal })
  const ended = new Promise<void>((resolve, reject) => void work.subscribe({ complete: resolve, error: reject }))
  return {
    ...{ again, sent, stop, ended },
    count: () => deadLetters.count(),
    counted: async () => {
      const [limit] = (await limiter.peek('acme', 'webhook')).limits
      return (limit?.limit ?? 0) - (limit?.remaining ?? 0)
    },
  }
}

describe('a letter', () => {
  it('whose message has arrived before is gone without being sent, and counts under no limit', async () => {
    const { ended, sent, count, counted } = await redriven({
      isDelivered: async (organization, messageId) => organization === 'acme' && messageId === 'm',
    })
    await ended
    expect(sent).toEqual([])
    expect(await count()).toBe(0)
    expect(await counted()).toBe(0)
  })

  it.each([
    ['has not arrived', async () => false],
    ['may have arrived', () => Promise.reject(new UnavailableError('PostgreSQL', 'it is away'))],
  ])('whose message %s is sent under the same id, and counts once', async (_what, isDelivered) => {
    const { ended, sent, count, counted } = await redriven({ isDelivered })
    await ended
    expect(sent).toMatchObject([{ messageId: 'm' }])
    expect(await count()).toBe(0)
    expect(await counted()).toBe(1)
  })

  it('goes only when it is written that its message has arrived', async () => {
    let written: (() => void) | undefined
    const recordRedriven = () => new Promise<void>((resolve) => (written = resolve))
    const { ended, count } = await redriven({ recordRedriven })
    await until('it to be written down', () => written)
    expect(await count()).toBe(1)
    written?.()
    await ended
    expect(await count()).toBe(0)
  })
})

describe('a stop', () => {
  it('lets be finished what is being sent, and breaks it off when its deadline is over', async () => {
    const { again, sent, stop, ended } = await redriven({
      send: ({ signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    })
    const sending = await until('it to be sent', () => sent[0])
    again.finishWhatIsSent()
    stop.abort()
    expect(sending.signal.aborted).toBe(false)
    await again.drain(20)
    expect(sending.signal.aborted).toBe(true)
    await ended
  })

  it('does not wait longer than its deadline for a store that is away', async () => {
    const { again, sent } = await redriven({
      recordRedriven: () => Promise.reject(new UnavailableError('PostgreSQL', 'it is away')),
    })
    await until('it to be sent', () => sent[0])
    let isDrained = false
    void again.drain(20).then(() => (isDrained = true))
    await until('the end', () => isDrained || undefined, 10_000)
  })
})
