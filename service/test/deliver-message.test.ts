import { describe, expect, it } from 'vitest'
import type { Sending } from '../src/channels/channel.ts'
import { parseConfig } from '../src/config/load-config.ts'
import { organizationsOf } from '../src/config/organizations.ts'
import { type Delivery, deliverMessage } from '../src/delivery/deliver-message.ts'
import { createEngine } from '../src/delivery/engine.ts'
import { createHolds } from '../src/delivery/holds.ts'

const destination = 'webhook:acme.example'
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const receiver = { name: 'hook', channel: 'webhook', url: 'https://acme.example/alerts', secret }
const organizations = organizationsOf(
  parseConfig(JSON.stringify({ organizations: { acme: { receivers: [receiver] } } }), 'test'),
  {},
)

/** One message whose attempts end as `send` says, and the switch that breaks them off. */
function messageTo(send: (sending: Sending<'webhook'>) => Promise<void>, timeoutMs = 10_000) {
  const engine = createEngine(
    { breakers: { default: { timeoutMs } }, retry: { maxAttempts: 2, baseDelayMs: 1, maxDelayMs: 1 } },
    { fleet: 'f', instance: 'i', logger: { info() {}, warn() {}, error() {} } },
  )
  const deliver = deliverMessage({
    ...engine,
    organizations,
    channels: { webhook: { send, close: async () => {} } },
    holds: createHolds(),
  })
  const stop = new AbortController()
  const delivery: Delivery = {
    message: {
      id: 'message-1',
      alert: {
        organization: 'acme',
        id: 'alert-1',
        severity: 'high',
        status: 'firing',
        type: 'disk',
        title: 'Disk full',
        message: '',
        labels: {},
        acceptedAt: 0,
      },
      receiver: 'hook',
      channel: 'webhook',
      destination,
      attempts: [],
      reached: [],
      refused: {},
      leftMs: 60_000,
    },
    signal: stop.signal,
    stopping: false,
    sending: 0,
  }
  return { delivery, stop, outcome: async () => (await deliver(delivery)).record, close: () => engine.gear.close() }
}

describe('a message that is being sent when the service stops', () => {
  it('is left alone from the answer until its outcome is known', async () => {
    let sendingAfterAnswer = 0
    const { delivery, outcome, close } = messageTo(() => {
      const answer = Promise.resolve()
      void lookAfter(answer)
      return answer
    })
    async function lookAfter(answer: Promise<void>): Promise<void> {
      await answer
      await Promise.resolve()
      sendingAfterAnswer = delivery.sending
    }
    expect((await outcome()).state).toBe('delivered')
    expect(sendingAfterAnswer).toBe(1)
    expect(delivery.sending).toBe(1)
    await close()
  })

  it('is not taken for waiting because an attempt before has ended late', async () => {
    const seen: number[] = []
    let endFirst = () => {}
    const { delivery, outcome, close } = messageTo(async () => {
      if (seen.push(delivery.sending) === 1)
        return new Promise<void>((_resolve, reject) => (endFirst = () => reject(new Error('too late'))))
      endFirst()
      await new Promise((resolve) => setImmediate(resolve))
      seen.push(delivery.sending)
    }, 20)
    expect((await outcome()).state).toBe('delivered')
    expect(seen).toEqual([1, 2, 1])
    await close()
  })

  it('says of an attempt that was broken off that it was', async () => {
    const { stop, outcome, close } = messageTo(({ signal }) => {
      setImmediate(() => stop.abort())
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('enough'))))
    })
    expect(await outcome()).toMatchObject({
      state: 'pending',
      attempts: [{ error: expect.stringContaining('broken off') as string }],
    })
    await close()
  })
})
