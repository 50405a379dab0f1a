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

/** One letter that is sent again when `work` begins, which resolves when that is over. */
async function redriven({
  send = async () => {},
  ...store
}: Partial<ResenderOptions['store']> & { readonly send?: (sending: Sending<'webhook'>) => Promise<void> }) {
  const { gear, retry } = createEngine(
    { retry: { maxAttempts: 2, baseDelayMs: 1, maxDelayMs: 1 } },
    { fleet: 'f', instance: 'i', logger },
  )
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
  const worker$ = deadLetters.redrives.work(job?.id ?? '', { ...again.how, signal: stop.signal })
  return {
    ...{ again, sent, stop },
    work: () => new Promise<void>((resolve, reject) => void worker$.subscribe({ complete: resolve, error: reject })),
    count: () => deadLetters.count(),
    letter: () => deadLetters.get(id),
    edit: (over: object) => deadLetters.edit(id, { payload: { ...payload, ...over } }),
    counted: async () => {
      const [limit] = (await limiter.peek('acme', 'webhook')).limits
      return (limit?.limit ?? 0) - (limit?.remaining ?? 0)
    },
  }
}

describe('a letter', () => {
  it('whose message has arrived before is gone without being sent, and counts under no limit', async () => {
    const { work, sent, count, counted } = await redriven({
      isDelivered: async (organization, messageId) => organization === 'acme' && messageId === 'm',
    })
    await work()
    expect(sent).toEqual([])
    expect(await count()).toBe(0)
    expect(await counted()).toBe(0)
  })

  it.each([
    ['has not arrived', async () => false],
    ['may have arrived', () => Promise.reject(new UnavailableError('PostgreSQL', 'it is away'))],
  ])('whose message %s is sent under the same id, and counts once', async (_what, isDelivered) => {
    const { work, sent, count, counted } = await redriven({ isDelivered })
    await work()
    expect(sent).toMatchObject([{ messageId: 'm' }])
    expect(await count()).toBe(0)
    expect(await counted()).toBe(1)
  })

  it('goes only when it is written that its message has arrived', async () => {
    let written: (() => void) | undefined
    const recordRedriven = () => new Promise<void>((resolve) => (written = resolve))
    const { work, count } = await redriven({ recordRedriven })
    const ended = work()
    await until('it to be written down', () => written)
    expect(await count()).toBe(1)
    written?.()
    await ended
    expect(await count()).toBe(0)
  })
})

describe('a letter for several', () => {
  const reaches = (name: string, { reached, refused }: Sending<'webhook'>): never => {
    reached.add(name)
    refused.set('nobody', '550')
    throw new Error('reset')
  }

  it('remembers from each attempt who has it, and counts once', async () => {
    const { work, sent, letter, counted } = await redriven({
      send: async (sending) => reaches(`recipient ${sent.length}`, sending),
    })
    await work()
    expect(sent).toHaveLength(2)
    const reached = ['recipient 1', 'recipient 2']
    expect(await letter()).toMatchObject({ redriveCount: 1, payload: { reached, refused: { nobody: '550' } } })
    expect(await counted()).toBe(1)
  })

  it('stays as somebody edited it meanwhile', async () => {
    const { work, sent, edit, letter } = await redriven({
      async send(sending) {
        await edit({ reached: ['edited'] })
        reaches(`recipient ${sent.length}`, sending)
      },
    })
    await work()
    expect(await letter()).toMatchObject({ redriveCount: 1, payload: { reached: ['edited'] } })
  })
})

describe('a stop', () => {
  it('lets be finished what is being sent, and breaks it off when its deadline is over', async () => {
    const { again, sent, stop, work } = await redriven({
      send: ({ signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    })
    const ended = work()
    const sending = await until('it to be sent', () => sent[0])
    again.finishWhatIsSent()
    stop.abort()
    expect(sending.signal.aborted).toBe(false)
    await again.drain(20)
    expect(sending.signal.aborted).toBe(true)
    await ended
  })

  it('does not wait longer than its deadline for a store that is away', async () => {
    const { again, sent, work } = await redriven({
      recordRedriven: () => Promise.reject(new UnavailableError('PostgreSQL', 'it is away')),
    })
    void work()
    await until('it to be sent', () => sent[0])
    let isDrained = false
    void again.drain(20).then(() => (isDrained = true))
    await until('the end', () => isDrained || undefined, 10_000)
  })
})
