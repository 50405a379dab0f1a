import { createHook } from 'node:async_hooks'
import { connect, nanos, type NatsConnection } from '@nats-io/transport-node'
import { type Consumer, jetstream } from '@nats-io/jetstream'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { classify } from '../../../src/kernel/classify.ts'
import { ConfigError, UnavailableError } from '../../../src/kernel/errors.ts'
import type { Outcome } from '../../../src/kernel/outcome.ts'
import { memoryDeadLetters } from '../../../src/factories/memory-dead-letters.ts'
import { fromJetStream, type FromJetStreamOptions } from '../../../src/nats.ts'
import type { LetterSink } from '../../../src/streams/dead-letters/write-dead-letter.ts'
import type { Server } from '../../servers/server-process.ts'
import { startNats } from '../../servers/start-nats.ts'
import { until } from '../../servers/until.ts'
import { accountIs, delivered, settleAll, type StreamRig, streamRig } from './jetstream-rig.ts'

let server: Server
const rigs: StreamRig[] = []
beforeAll(async () => void (server = await startNats()))
afterEach(async () => void (await Promise.all(rigs.splice(0).map((rig) => rig.end()))))
afterAll(() => server.stop())

async function rigWith(...given: Parameters<typeof streamRig> extends [string, ...infer R] ? R : never) {
  const rig = await streamRig(server.url, ...given)
  rigs.push(rig)
  return rig
}

/** A process that is kept busy by others for two thirds of it loses its messages, as it should: not in these tests. */
const ackWaitMs = 1_200

const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n))
const closing: Outcome<never> = { status: 'refused', reason: 'closing' }
const failed = (status: number): Outcome<never> => {
  const error = classify(Object.assign(new Error(`answered ${status}`), { status }))
  return { status: 'failed', error, attempts: 1, durationMs: 1 }
}

describe('messages', () => {
  test('come as they are asked for, in order, never more of them, with what is known of each', async () => {
    const rig = await rigWith()
    await rig.publish(...numbers(20))
    const reader = await rig.read()
    reader.open.request(3)
    reader.open.request(2)
    await reader.has(5)
    expect(reader.data()).toEqual([0, 1, 2, 3, 4])
    const account = await rig.info()
    expect(account).toMatchObject({ num_ack_pending: 5, num_pending: 15, num_waiting: 0 })
    expect(reader.taken[0]?.item).toMatchObject({
      subject: `${rig.stream}.a`,
      stream: rig.stream,
      seq: 1,
      deliveries: 1,
    })
    expect(Math.abs((reader.taken[0]?.item.storedAt ?? 0) - Date.now())).toBeLessThan(60_000)
    reader.open.close()
  })

  test('are asked for in numbers that no single request may have, and none is asked for that was not wanted', async () => {
    const rig = await rigWith({ max_batch: 50 })
    await rig.publish(...numbers(400))
    const reader = await rig.read()
    reader.open.request(390)
    await reader.has(390)
    expect(await rig.info()).toMatchObject({ num_ack_pending: 390, num_pending: 10 })
    reader.open.close()
  })

  test('are acknowledged after their outcome and not before, one by one, and settling is done when the server knows', async () => {
    const rig = await rigWith()
    await rig.publish(...numbers(3))
    const reader = await rig.read()
    reader.open.request(3)
    await reader.has(3)
    expect(await rig.info()).toMatchObject({ num_ack_pending: 3 })
    await reader.taken[1]?.settle(delivered)
    expect(await rig.info()).toMatchObject({ num_ack_pending: 2 })
    await reader.taken[1]?.settle(failed(500))
    await reader.taken[0]?.settle(delivered)
    await reader.taken[2]?.settle(delivered)
    expect(await rig.info()).toMatchObject({ num_ack_pending: 0, num_redelivered: 0, ack_floor: { stream_seq: 3 } })
    reader.open.close()
  })

  test('wait as long as it takes, and the source for as long as there are none', async () => {
    const rig = await rigWith({ max_ack_pending: 2, max_expires: nanos(1_000) })
    const reader = await rig.read()
    reader.open.request(4)
    // Its requests expire meanwhile.
    const since = performance.now()
    await until('the second request', () => performance.now() - since > 1_200 || undefined)
    expect(await rig.info()).toMatchObject({ num_waiting: 1 })
    await rig.publish(...numbers(4))
    await reader.has(2)
    await settleAll(reader.taken, delivered)
    await reader.has(4)
    expect(reader.data()).toEqual([0, 1, 2, 3])
    expect(reader.ends).toEqual([])
    reader.open.close()
  })
})

describe('waiting', () => {
  test('in hand for longer than ack_wait spends no delivery, and gives nothing to another process', async () => {
    const rig = await rigWith({ ack_wait: nanos(ackWaitMs) })
    await rig.publish(...numbers(50))
    const [reader, other] = [await rig.read(), await rig.read()]
    reader.open.request(50)
    await reader.has(50)
    other.open.request(10)
    const since = performance.now()
    await until('three times ack_wait', () => performance.now() - since > 3 * ackWaitMs || undefined)
    const account = await rig.info()
    console.info(`held for 3 x ack_wait: ${account.num_redelivered} of 50 redelivered`)
    expect(account).toMatchObject({ num_ack_pending: 50, num_redelivered: 0, delivered: { consumer_seq: 50 } })
    expect(other.taken).toEqual([])
    await settleAll(reader.taken, delivered)
    expect(await rig.info()).toMatchObject({ num_ack_pending: 0 })
    for (const { open } of [reader, other]) open.close()
  })

  test('by handing back spends one each time: the server counts it, which is why waiting is done in hand', async () => {
    const rig = await rigWith()
    await rig.publish('0')
    const reader = await rig.read()
    for (let times = 1; times <= 4; times += 1) {
      reader.open.request(1)
      const { item, settle } = await reader.has(times)
      expect(item.deliveries).toBe(times)
      await settle({ status: 'refused', reason: 'breakerOpen', retryAfterMs: 20 })
    }
    const account = await rig.info()
    console.info(`handed back 4 times: deliveries 1 2 3 4, num_redelivered ${account.num_redelivered}`)
    expect(account.num_redelivered).toBe(1)
    reader.open.close()
  })
})

describe('a message that is not to come again', () => {
  test('is dead-lettered and terminated when it cannot be decoded: invalid, with all that is known of it', async () => {
    const rig = await rigWith()
    await rig.publish('{"good":1}', '{"bad', new Uint8Array([0xff, 0xfe]))
    const queue = memoryDeadLetters()
    const reader = await rig.read({ deadLetter: { queue } })
    reader.open.request(1)
    await reader.has(1)
    reader.open.request(1)
    await accountIs(rig, 'the others to be gone', (info) => info.num_ack_pending === 1 && info.num_pending === 0)
    const { items } = await queue.list({})
    const headers = { 'Nats-Msg-Id': [expect.any(String)] }
    const subject = `${rig.stream}.a`
    expect(items.map(({ errorType, payload }) => ({ errorType, payload }))).toEqual([
      { errorType: 'invalid', payload: { subject, headers, data: { $base64: '//4=' } } },
      { errorType: 'invalid', payload: { subject, headers, data: '{"bad' } },
    ])
    // Their places were given to the next ones.
    await rig.publish('{"good":2}')
    await reader.has(2)
    expect(reader.data()).toEqual([{ good: 1 }, { good: 2 }])
    reader.open.close()
  })

  test('is dead-lettered when it was delivered too often, by whomever, and is not handed on', async () => {
    const rig = await rigWith()
    await rig.publish('"poison"')
    const queue = memoryDeadLetters()
    const describe = () => ({ organization: 'acme', channel: 'jobs', messageId: 'p', payload: 1 })
    const reader = await rig.read({ deadLetter: { queue, describe }, maxDeliveries: 3 })
    for (let times = 1; times <= 3; times += 1) {
      reader.open.request(1)
      await (await reader.has(times)).settle(closing)
    }
    reader.open.request(1)
    await accountIs(rig, 'it to be gone', (info) => info.num_ack_pending === 0 && info.ack_floor.stream_seq === 1)
    expect(reader.taken).toHaveLength(3)
    const { items } = await queue.list({ organization: 'acme' })
    expect(items).toMatchObject([{ messageId: 'p', error: { name: 'PoisonMessage' } }])
    expect(items[0]?.error.message).toContain('4 times')
    reader.open.close()
  })

  test('is dead-lettered when it failed for good and the pipeline has written no letter', async () => {
    const rig = await rigWith()
    await rig.publish('1')
    const queue = memoryDeadLetters()
    const reader = await rig.read({ deadLetter: { queue } })
    reader.open.request(1)
    await (await reader.has(1)).settle(failed(404))
    expect(await queue.count({ errorType: 'rejected' })).toBe(1)
    expect(await rig.info()).toMatchObject({ num_ack_pending: 0, num_pending: 0 })
    reader.open.close()
  })

  test('comes again when its letter cannot be written, and is not lost', async () => {
    const rig = await rigWith()
    await rig.publish('{"bad')
    const letters = memoryDeadLetters()
    let away = true
    const queue: LetterSink = {
      enqueue: (draft) => (away ? Promise.reject(new UnavailableError('Redis', 'it is away')) : letters.enqueue(draft)),
    }
    const reader = await rig.read({ deadLetter: { queue } })
    reader.open.request(1)
    await accountIs(rig, 'it to be handed back', (info) => info.num_redelivered === 0 && info.num_ack_pending === 1)
    away = false
    await until('its letter', async () => ((await letters.count({})) === 1 ? true : undefined))
    await accountIs(rig, 'it to be gone', (info) => info.num_ack_pending === 0)
    reader.open.close()
  })

  test('without a queue is terminated, and the logger is told', async () => {
    const rig = await rigWith()
    await rig.publish('{"bad')
    const told: string[] = []
    const tell = (_: object, message: string): void => void told.push(message)
    const reader = await rig.read({ logger: { info: tell, warn: tell, error: tell } })
    reader.open.request(1)
    await accountIs(rig, 'it to be gone', (info) => info.ack_floor.stream_seq === 1)
    expect(told).toEqual(['a message was terminated, and there is no queue of dead letters'])
    reader.open.close()
  })
})

describe('closing', () => {
  test('asks for nothing more; what is in hand stays there until it is settled, and then goes back at once', async () => {
    const rig = await rigWith({ ack_wait: nanos(ackWaitMs) })
    await rig.publish(...numbers(10))
    const reader = await rig.read()
    reader.open.request(6)
    await reader.has(6)
    reader.open.close()
    reader.open.close()
    reader.open.request(4)
    const since = performance.now()
    await until('twice ack_wait', () => performance.now() - since > 2 * ackWaitMs || undefined)
    expect(await rig.info()).toMatchObject({ num_ack_pending: 6, num_redelivered: 0, num_waiting: 0 })
    await settleAll(reader.taken, closing)
    const next = await rig.read()
    next.open.request(10)
    await next.has(10)
    expect(new Set(next.data())).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    next.open.close()
  })

  test('in the middle of a burst hands back what was on its way, but for what the server sends in that very instant', async () => {
    const longMs = 4_000
    const rig = await rigWith({ ack_wait: nanos(longMs) })
    const done = new Set<unknown>()
    for (let round = 0; round < 20; round += 1) {
      await rig.publish(...numbers(50).map((n) => String(round * 50 + Number(n))))
      const reader = await rig.read({}, undefined, () => reader.open.close())
      reader.open.request(50)
      await reader.has(1)
      for (const { item, settle } of reader.taken) {
        done.add(item.data)
        await settle(delivered)
      }
    }
    const last = await rig.read()
    const since = performance.now()
    last.open.request(1_000)
    await until('nearly all others', () => done.size + last.taken.length >= 950 || undefined)
    const atOnceMs = performance.now() - since
    // Between the server's look whether anybody listens and its sending, it may be told that nobody does.
    await until('the others', () => done.size + last.taken.length >= 1_000 || undefined, 4 * longMs)
    const allMs = performance.now() - since
    console.info(`closed at the first of 50, 20 times: 950 there after ${atOnceMs} ms, 1,000 after ${allMs} ms`)
    expect(atOnceMs).toBeLessThan(longMs)
    expect(new Set([...done, ...last.data()]).size).toBe(1_000)
    expect(done.size + last.taken.length).toBe(1_000)
    last.open.close()
  })

  test('leaves no timer and no subscription behind, once the last is settled', async () => {
    const rig = await rigWith()
    await rig.publish(...numbers(5))
    const nc = await connect({ servers: server.url })
    // The client keeps one for the answers to its requests, from the first of them on.
    await nc.request(`$JS.API.STREAM.INFO.${rig.stream}`)
    const subscriptions = subscriptionsOf(nc)
    const timers = watchTimers()
    const reader = await rig.read({}, nc)
    reader.open.request(10)
    await reader.has(5)
    // At the least that for the server's silence, and that for telling it that they are in hand.
    expect(timers.running().length).toBeGreaterThanOrEqual(2)
    reader.open.close()
    await settleAll(reader.taken, delivered)
    await timersAreGone(timers)
    await until('the subscription to be gone', () => subscriptionsOf(nc) === subscriptions || undefined)
    expect(await rig.info()).toMatchObject({ num_waiting: 0 })
    await nc.close()
  })
})

function subscriptionsOf(nc: NatsConnection): number {
  const { subscriptions } = Reflect.get(nc, 'protocol') as { readonly subscriptions: { size(): number } }
  return subscriptions.size()
}

interface WatchedTimers {
  running(): readonly string[]
  stop(): void
}

/** A timer is told of as gone when its turn is over. */
async function timersAreGone(timers: WatchedTimers): Promise<void> {
  const areGone = () =>
    new Promise((resolve) => setImmediate(() => resolve(timers.running().length === 0 || undefined)))
  await until('the timers to be gone', areGone).catch(() => expect(timers.running()).toEqual([]))
  timers.stop()
}

/**
 * Gives where the timers were started since that have neither fired nor been ended, those too that keep nothing alive.
 * Only those of ours: the connection, and what runs the tests, have timers of their own.
 */
function watchTimers(): WatchedTimers {
  const running = new Map<number, string>()
  const hook = createHook({
    init(id, type) {
      const { stack = '' } = new Error('started here')
      if (type === 'Timeout' && stack.includes('/src/')) running.set(id, stack)
    },
    destroy: (id) => void running.delete(id),
  }).enable()
  return { running: () => [...running.values()], stop: () => void hook.disable() }
}

describe('what cannot go on', () => {
  test('ends with an error that says what is gone: the consumer', async () => {
    const rig = await rigWith()
    const reader = await rig.read()
    reader.open.request(1)
    await until('it to wait', async () => (await rig.info()).num_waiting === 1 || undefined)
    await rig.deleteConsumer()
    await until('the end', () => reader.ends.length > 0 || undefined)
    expect(reader.ends).toEqual([expect.any(UnavailableError)])
    expect(String(reader.ends[0])).toContain('no consumer "worker"')
  })

  test('or the connection, and then no timer goes on for what is in hand', async () => {
    const rig = await rigWith({ ack_wait: nanos(ackWaitMs) })
    const nc: NatsConnection = await connect({ servers: server.url })
    const timers = watchTimers()
    const reader = await rig.read({}, nc)
    await rig.publish('1')
    reader.open.request(2)
    const one = await reader.has(1)
    await nc.close()
    await until('the end', () => reader.ends.length > 0 || undefined)
    expect(reader.ends).toEqual([expect.any(UnavailableError)])
    await timersAreGone(timers)
    await one.settle(delivered)
  })
})

describe('options', () => {
  test('are checked when they are given, and so is the consumer', async () => {
    const rig = await rigWith({ max_deliver: 5 })
    const nc = await connect({ servers: server.url })
    const js = jetstream(nc)
    const consumer = await js.consumers.get(rig.stream, 'worker')
    const queue = memoryDeadLetters()
    const path = (make: () => unknown): string => {
      try {
        make()
      } catch (error) {
        if (error instanceof ConfigError) return error.path
        throw error
      }
      return 'none'
    }
    expect(path(() => fromJetStream(consumer, { maxDeliveries: 3 }))).toBe('fromJetStream.maxDeliveries')
    expect(path(() => fromJetStream(consumer, { deadLetter: { queue }, maxDeliveries: 5 }))).toBe(
      'fromJetStream.maxDeliveries',
    )
    expect(path(() => fromJetStream(consumer, { deadLetter: { queue }, maxDeliveries: 4 }))).toBe('none')
    expect(path(() => fromJetStream(consumer, { heartbeatMs: 1 }))).toBe('fromJetStream.heartbeatMs')
    expect(path(() => fromJetStream(consumer, JSON.parse('{"batch":1}') as FromJetStreamOptions<unknown>))).toBe(
      'fromJetStream.batch',
    )
    const jsm = await js.jetstreamManager()
    await jsm.streams.add({ name: `${rig.stream}-log`, subjects: [`${rig.stream}-log`] })
    const ordered = await js.consumers.get(`${rig.stream}-log`)
    expect(path(() => fromJetStream(ordered))).toBe('consumer')
    expect(path(() => fromJetStream(JSON.parse('{}') as Consumer))).toBe('consumer')
    await nc.close()
  })
})
