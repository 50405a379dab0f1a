import { jetstream } from '@nats-io/jetstream'
import { connect, nanos } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSwitchgear, deliver, type Delivered, memoryDeadLetters } from '../../../src/index.ts'
import { fromJetStream, type JetStreamItem } from '../../../src/nats.ts'
import type { Server } from '../../servers/server-process.ts'
import { startNats } from '../../servers/start-nats.ts'
import { until } from '../../servers/until.ts'
import { accountIs, streamRig } from './jetstream-rig.ts'

let server: Server
beforeAll(async () => void (server = await startNats()))
afterAll(() => server.stop())

/** A process that is kept busy by others for two thirds of it loses its messages, as it should: not in these tests. */
const ackWaitMs = 1_200

test('behind a breaker that is open for longer than ack_wait, messages wait in hand, and no delivery is spent', async () => {
  const rig = await streamRig(server.url, { ack_wait: nanos(ackWaitMs) })
  const nc = await connect({ servers: server.url })
  const gear = createSwitchgear()
  const breaker = gear.breaker('smtp', { failureThreshold: 3, recoveryTimeoutMs: 4 * ackWaitMs })
  let dead = true
  let calls = 0
  const send = async ({ data }: JetStreamItem<unknown>): Promise<unknown> => {
    calls += 1
    if (dead) throw Object.assign(new Error('it is down'), { code: 'ECONNREFUSED' })
    return data
  }
  const queue = memoryDeadLetters()
  const outcomes: Delivered<JetStreamItem<unknown>, unknown>[] = []
  const end = new AbortController()
  const pipeline = fromJetStream(await jetstream(nc).consumers.get(rig.stream, 'worker'), {
    deadLetter: { queue },
  }).pipe(
    deliver({
      to: send,
      through: breaker,
      retry: { maxAttempts: 10, baseDelayMs: 10 },
      concurrency: 10,
      maxWaiting: 40,
      signal: end.signal,
    }),
  )
  let complete = false
  pipeline.subscribe({ next: (one) => void outcomes.push(one), complete: () => void (complete = true) })

  await rig.publish(...Array.from({ length: 100 }, (_, n) => String(n)))
  await until('the breaker to open', () => breaker.state.mode === 'open' || undefined)
  const reached = calls
  const since = performance.now()
  await until('three times ack_wait', () => performance.now() - since > 3 * ackWaitMs || undefined)
  const waiting = await rig.info()
  expect(waiting).toMatchObject({ num_ack_pending: 50, num_redelivered: 0, num_pending: 50 })
  expect(calls).toBe(reached)
  dead = false
  await until('all to be delivered', () => outcomes.length >= 100 || undefined, 30_000)
  await accountIs(rig, 'all to be acknowledged', (info) => info.num_ack_pending === 0)
  console.info(
    `open for 3 x ack_wait: 50 in hand, ${waiting.num_redelivered} redelivered; ${calls} calls for 100 messages`,
  )
  expect(outcomes.every(({ status, item }) => status === 'delivered' && item.deliveries === 1)).toBe(true)
  expect(new Set(outcomes.map(({ item }) => item.seq)).size).toBe(100)
  expect(await queue.count({})).toBe(0)

  end.abort()
  await until('it to complete', () => complete || undefined)
  await Promise.all([gear.close(), nc.close(), rig.end()])
})

test('a pipeline that drains hands back what it did not begin, at once', async () => {
  const rig = await streamRig(server.url)
  const end = new AbortController()
  const consumer = await jetstream(await connect({ servers: server.url })).consumers.get(rig.stream, 'worker')
  const statuses: string[] = []
  let begun = 0
  let complete = false
  let release = (): void => {}
  const released = new Promise<void>((resolve) => (release = resolve))
  const send = (): Promise<void> => {
    begun += 1
    return released
  }
  await rig.publish(...Array.from({ length: 20 }, (_, n) => String(n)))
  fromJetStream(consumer)
    .pipe(deliver({ to: send, concurrency: 5, maxWaiting: 10, signal: end.signal }))
    .subscribe({
      next: ({ status }) => void statuses.push(status),
      complete: () => void (complete = true),
    })
  await until('five to be under way', () => begun === 5 || undefined)
  expect(await rig.info()).toMatchObject({ num_ack_pending: 15 })
  end.abort()
  release()
  await until('it to complete', () => complete || undefined)
  // Of the 15 some may still have been on their way: they go back without a word.
  expect(statuses.filter((status) => status === 'delivered')).toHaveLength(5)
  expect(statuses.filter((status) => status !== 'delivered').every((status) => status === 'refused')).toBe(true)
  const next = await rig.read()
  next.open.request(20)
  await next.has(15)
  expect(next.taken.every(({ item }) => item.seq > 5)).toBe(true)
  next.open.close()
  await rig.end()
})
