import { type DeadLetters, type ItemSource, memoryDeadLetters, UnavailableError, pipelineGauge } from 'switchgear'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import type { Sending } from '../src/channels/channel.ts'
import { PrivateAddressError } from '../src/channels/guarded-connector.ts'
import { HttpAnswerError } from '../src/channels/http-answer-error.ts'
import { parseConfig } from '../src/config/load-config.ts'
import { organizationsOf, receiverOf } from '../src/config/organizations.ts'
import { messageLetters } from '../src/dead-letters/message-letters.ts'
import { deliverMessages, type Sent } from '../src/delivery/deliver-messages.ts'
import { createEngine } from '../src/delivery/engine.ts'
import { sharedHolds } from '../src/delivery/holds.ts'
import { type MessageInHand, messageInHand } from '../src/delivery/message-in-hand.ts'
import { settleMessage } from '../src/delivery/settle-message.ts'
import type { OutcomeRecord } from '../src/store/record-outcomes.ts'
import type { Claimed } from '../src/store/stored-alert.ts'

const destination = 'webhook:acme.example'
const organization = 'acme corp.'
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const receiver = { name: 'hook', channel: 'webhook', url: 'https://acme.example/alerts', secret }
const organizations = organizationsOf(
  parseConfig(JSON.stringify({ organizations: { [organization]: { receivers: [receiver] } } }), 'test'),
  {},
)

const messageNamed = (id: string): Claimed => ({
  id,
  alert: {
    organization,
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
})

interface Given {
  readonly send?: (sending: Sending<'webhook'>) => Promise<void>
  readonly deadLetters?: Pick<DeadLetters, 'enqueue'>
  readonly breaker?: Readonly<Record<string, unknown>>
}

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** The pipeline, over messages that the test gives it, with what it writes of them. */
function pipeline({ send = async () => {}, deadLetters = memoryDeadLetters(), breaker = {} }: Given = {}) {
  const logged: string[] = []
  const log = (level: string) => (_facts: object, text?: string) => void logged.push(`${level}: ${text}`)
  const logger = { info: log('info'), warn: log('warn'), error: log('error') }
  const { gear, retry } = createEngine(
    { breakers: { default: breaker }, retry: { maxAttempts: 2, baseDelayMs: 1, maxDelayMs: 1 } },
    { fleet: 'f', instance: 'i', logger: { info() {}, warn() {}, error() {} } },
  )
  const records: OutcomeRecord[] = []
  const held: object[] = []
  const holds = sharedHolds({ store: { hold: async (hold) => void held.push(hold) }, logger })
  const letters = messageLetters(deadLetters, { deadlineMs: 50 })
  const recorder = { record: async (record: OutcomeRecord) => void records.push(record), giveUp() {} }
  const stop = new AbortController()
  let give = (_message: Claimed): void => {}
  const source: ItemSource<MessageInHand> = {
    open(sink) {
      give = (message) => {
        const item = messageInHand(message, receiverOf(organizations, organization, message.receiver))
        const settle = async (outcome: Parameters<Parameters<typeof sink.item>[0]['settle']>[0]): Promise<void> =>
          void (await settleMessage({ recorder, letters, logger }, item, outcome as typeof outcome & { value: Sent }))
        sink.item({ item, settle })
      }
      return { request() {}, close() {} }
    },
  }
  const ended = deliverMessages(source, {
    ...{ gear, retry, organizations, holds, letters, gauge: pipelineGauge(), signal: stop.signal },
    channels: { webhook: { send, close: async () => {} } },
  })
  const drain = async (): Promise<void> => {
    stop.abort()
    await ended
  }
  ends.push(drain, () => gear.close())
  const outcomeOf = async (message: Claimed): Promise<OutcomeRecord> => {
    const before = records.length
    give(message)
    return until('the outcome', () => records[before])
  }
  return { gear, logged, records, held, drain, give: (message: Claimed) => give(message), outcomeOf }
}

describe('a message that is being sent when the service stops', () => {
  it('is finished, and its outcome is written before the end', async () => {
    let arrive: (() => void) | undefined
    const line = pipeline({ send: () => new Promise((resolve) => (arrive = resolve)) })
    line.give(messageNamed('m-1'))
    await until('it to be sent', () => arrive)
    const drained = line.drain()
    expect(line.records).toEqual([])
    arrive?.()
    await drained
    expect(line.records).toMatchObject([{ id: 'm-1', state: 'delivered', attempts: [{}] }])
  })

  it('is handed back when it has failed, with the attempt that it has had', async () => {
    let fail: ((error: Error) => void) | undefined
    const line = pipeline({ send: () => new Promise((_resolve, reject) => (fail = reject)) })
    line.give(messageNamed('m-1'))
    await until('it to be sent', () => fail)
    const drained = line.drain()
    fail?.(new Error('reset'))
    await drained
    expect(line.records).toMatchObject([{ state: 'pending', dueInMs: 0, attempts: [{ error: 'reset' }] }])
  })
})

describe('a message whose attempt takes too long', () => {
  it('has that written of the attempt, and not what came of it later', async () => {
    let times = 0
    let endFirst = (_error: Error) => {}
    const { outcomeOf } = pipeline({
      breaker: { timeoutMs: 20 },
      async send() {
        times += 1
        if (times === 1) return new Promise((_resolve, reject) => (endFirst = reject))
        endFirst(new Error('too late'))
        return new Promise((resolve) => setImmediate(resolve))
      },
    })
    const { state, attempts } = await outcomeOf(messageNamed('m-1'))
    expect(state).toBe('delivered')
    expect(attempts).toHaveLength(2)
    expect(attempts[0]?.error).toContain('20 ms')
    expect(attempts[1]?.error).toBeUndefined()
  })
})

describe('a message whose destination is not to be asked', () => {
  it('waits in the store while the breaker is open, and is not dead-lettered for it', async () => {
    const { gear, outcomeOf } = pipeline({ send: () => Promise.reject(new Error('not to be sent')) })
    await gear.breaker(destination).forceOpen({ by: 'ann', reason: 'maintenance', forMs: 20_000 })
    const { dueInMs = 0, ...record } = await outcomeOf(messageNamed('m-1'))
    expect(record).toMatchObject({ state: 'pending', attempts: [] })
    expect(dueInMs).toBeGreaterThan(15_000)
    expect(dueInMs).toBeLessThanOrEqual(20_000)
    await gear.breaker(destination).release({ by: 'ann', reason: 'done' })
    await gear.breaker(destination).forceOpen({ by: 'ann', reason: 'until further notice' })
    expect(await outcomeOf(messageNamed('m-2'))).toMatchObject({ state: 'pending', dueInMs: 1_000 })
    // An operator may release it sooner.
    await gear.breaker(destination).release({ by: 'ann', reason: 'done' })
    await gear.breaker(destination).forceOpen({ by: 'ann', reason: 'a move', forMs: 3_600_000 })
    expect(await outcomeOf(messageNamed('m-3'))).toMatchObject({ state: 'pending', dueInMs: 60_000 })
  })

  it('waits in the store for as long as Retry-After asks, which counts as no attempt, and the store keeps the hold', async () => {
    const answer = new HttpAnswerError('acme.example', 429, { 'retry-after': '30' }, '')
    const { outcomeOf, held } = pipeline({ send: () => Promise.reject(answer) })
    const again = { ...messageNamed('m-1'), attempts: [{ at: 1, error: 'answered 429' }] }
    const { dueInMs = 0, ...record } = await outcomeOf(again)
    expect(record).toMatchObject({
      state: 'pending',
      attempts: [{ at: 1 }, { error: expect.stringContaining('429') as string }],
    })
    expect(Math.ceil(dueInMs / 1_000)).toBe(30)
    expect(held).toEqual([{ destination, leftMs: 30_000 }])
    expect(await outcomeOf(messageNamed('m-2'))).toMatchObject({ state: 'pending', attempts: [] })
  })

  it('is dead-lettered as expired when it has waited too long all the same, with what it failed of before', async () => {
    const deadLetters = memoryDeadLetters()
    const { gear, outcomeOf } = pipeline({ deadLetters })
    await gear.breaker(destination).forceOpen({ by: 'ann', reason: 'maintenance' })
    const old = { ...messageNamed('m-1'), leftMs: 0, attempts: [{ at: 1, error: 'answered 500' }] }
    expect(await outcomeOf(old)).toMatchObject({
      state: 'deadLettered',
      reason: 'expired',
      lastError: 'answered 500',
    })
    expect((await deadLetters.list()).items).toMatchObject([{ errorType: 'expired' }])
  })
})

describe('the limit of a channel', () => {
  it('counts a message when it is first sent: neither when that is tried again, nor when it comes back later', async () => {
    let times = 0
    const { gear, outcomeOf } = pipeline({
      send: () => ((times += 1) === 1 ? Promise.reject(new Error('reset')) : Promise.resolve()),
    })
    const counted = async (): Promise<number> => {
      const [of] = (await gear.limiter.peek(organization, 'webhook')).limits
      return (of?.limit ?? 0) - (of?.remaining ?? 0)
    }
    expect(await outcomeOf(messageNamed('m-1'))).toMatchObject({ state: 'delivered', attempts: [{}, {}] })
    expect(await counted()).toBe(1)
    const again = { ...messageNamed('m-2'), attempts: [{ at: 1, error: 'answered 429' }] }
    expect(await outcomeOf(again)).toMatchObject({ state: 'delivered' })
    expect(await counted()).toBe(1)
    await gear.breaker(destination).forceOpen({ by: 'ann', reason: 'maintenance' })
    expect(await outcomeOf(messageNamed('m-3'))).toMatchObject({ state: 'pending' })
    expect(await counted()).toBe(1)
  })
})

describe('a message that has failed for good', () => {
  const fails = () => Promise.reject(new HttpAnswerError('acme.example', 500, {}, ''))

  it('has a letter when its outcome is known, and the same one when it fails again', async () => {
    const deadLetters = memoryDeadLetters()
    const { outcomeOf, logged } = pipeline({ deadLetters, send: fails })
    const before = { at: 1 }
    const message = { ...messageNamed('m-1'), reached: ['a@x'], attempts: [before] }
    const record = await outcomeOf(message)
    expect(record).toMatchObject({
      state: 'deadLettered',
      reason: 'server_error',
      letterId: 'acme%20corp%2E.m-1',
      attempts: [{ at: 1 }, {}, {}],
    })
    const { items } = await deadLetters.list()
    expect(items).toMatchObject([
      {
        id: record.letterId,
        organization,
        channel: 'webhook',
        messageId: 'm-1',
        errorType: 'server_error',
        error: { name: 'HttpAnswerError', message: record.lastError },
        payload: { alert: { id: 'alert-1' }, receiver: 'hook', destination, reached: ['a@x'] },
        attempts: [{ at: 1, error: 'nobody knows how it ended' }, {}, {}],
      },
    ])
    expect((await outcomeOf(message)).letterId).toBe(record.letterId)
    expect(await deadLetters.count()).toBe(1)
    expect(logged).toEqual(Array.from({ length: 2 }, () => 'warn: a message was dead-lettered'))
  })

  it('is one whose host turns out to be private: it is not tried again, and says nothing of the host', async () => {
    const { gear, outcomeOf } = pipeline({
      breaker: { failureThreshold: 1 },
      send: () => Promise.reject(new PrivateAddressError('acme.example', '10.0.0.1')),
    })
    expect(await outcomeOf(messageNamed('m-1'))).toMatchObject({
      state: 'deadLettered',
      reason: 'invalid',
      attempts: [{ error: expect.stringContaining('10.0.0.1') as string }],
    })
    expect(gear.breakers.get(destination)?.state).toMatchObject({ mode: 'closed', counts: { calls: 0 } })
  })

  it('is one whose receiver is not configured any more', async () => {
    const { outcomeOf } = pipeline()
    expect(await outcomeOf({ ...messageNamed('m-1'), receiver: 'gone' })).toMatchObject({
      state: 'deadLettered',
      reason: 'invalid',
      lastError: 'the receiver "gone" is no longer configured',
    })
  })

  it.each<[string, () => Pick<DeadLetters, 'enqueue'>, string]>([
    ['is full', () => memoryDeadLetters({ charactersMax: 1 }), 'charactersMax'],
    ['is away', () => ({ enqueue: () => Promise.reject(new UnavailableError('Redis', 'gone')) }), 'gone'],
    ['throws', () => ({ enqueue: () => raise(new TypeError('a mistake')) }), 'a mistake'],
    ['hangs', () => ({ enqueue: () => new Promise(() => {}) }), '50 ms'],
  ])('has failed, loudly and in time, where the queue %s', async (_what, queue, why) => {
    const { outcomeOf, logged } = pipeline({ deadLetters: queue(), send: fails })
    const { letterId, ...record } = await outcomeOf(messageNamed('m-1'))
    expect(letterId).toBeUndefined()
    expect(record).toMatchObject({
      state: 'failed',
      reason: 'server_error',
      lastError: expect.stringMatching(new RegExp(`500.*; .*could not be written.*${why}`)) as string,
    })
    expect(logged).toEqual([expect.stringMatching(/^error: .*could not be written/) as string])
  })
})

it('Why a letter could not be written is told once, and not kept', async () => {
  const { queue, whyNot } = messageLetters({ enqueue: () => Promise.reject(new UnavailableError('Redis', 'gone')) })
  await expect(
    queue.enqueue({ organization, channel: 'webhook', messageId: 'm-1', payload: {}, error: 'no' }),
  ).rejects.toThrow()
  expect(whyNot('m-1')).toContain('gone')
  expect(whyNot('m-1')).toBeUndefined()
})

function raise(error: Error): never {
  throw error
}
