import { connect, nanos, type NatsConnection } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type NatsNode, startNatsNode } from '../../servers/nats-node.ts'
import { startTcpProxy, type TcpProxy } from '../../servers/tcp-proxy.ts'
import { until } from '../../servers/until.ts'
import { accountIs, delivered, settleAll, type Reader, type StreamRig, streamRig } from './jetstream-rig.ts'

let nats: NatsNode
let wire: TcpProxy
let rig: StreamRig
let nc: NatsConnection
beforeEach(async () => {
  nats = await startNatsNode()
  wire = await startTcpProxy(nats.url)
  rig = await streamRig(nats.url, { ack_wait: nanos(1_000) })
  nc = await connect({ servers: wire.url, maxReconnectAttempts: -1, reconnectTimeWait: 50, ignoreClusterUpdates: true })
})
afterEach(async () => {
  await Promise.all([nc.close(), rig.end()])
  await wire.stop()
  await nats.remove()
})

const numbers = (from: number, count: number): string[] => Array.from({ length: count }, (_, n) => String(from + n))

/** Settles everything as it comes, and asks for as much again. */
function consume(reader: Reader): { readonly seen: Map<unknown, number>; stop(): void } {
  const seen = new Map<unknown, number>()
  let next = 0
  const timer = setInterval(() => {
    for (const { item, settle } of reader.taken.slice(next)) {
      next += 1
      seen.set(item.data, (seen.get(item.data) ?? 0) + 1)
      void Promise.resolve(settle(delivered)).then(() => reader.open.request(1))
    }
  }, 5)
  return { seen, stop: () => clearInterval(timer) }
}

test('a server that is killed and started again is asked anew, and nothing is lost', async () => {
  const reader = await rig.read({}, nc)
  const { seen, stop } = consume(reader)
  reader.open.request(20)
  await rig.publish(...numbers(0, 100))
  await until('some', () => seen.size >= 100 || undefined)
  await nats.kill()
  await nats.start()
  await rig.publish(...numbers(100, 100))
  await until('the others', () => seen.size === 200 || undefined, 30_000)
  await accountIs(rig, 'all to be acknowledged', (info) => info.num_ack_pending === 0 && info.num_pending === 0, 30_000)
  expect(reader.ends).toEqual([])
  stop()
  reader.open.close()
})

test('a link that takes everything and gives nothing is noticed by the silence; what is in hand meanwhile comes once', async () => {
  const reader = await rig.read({}, nc)
  await rig.publish(...numbers(0, 10))
  reader.open.request(5)
  await reader.has(5)
  reader.open.request(100)
  await reader.has(10)
  wire.lose('toServer')
  wire.lose('toClient')
  // Neither `working` nor anything else arrives for longer than ack_wait: the server delivers all of it again.
  await accountIs(rig, 'a second delivery of each', (info) => info.num_redelivered === 10, 30_000)
  wire.cut()
  await rig.publish('10')
  await reader.has(11)
  expect(reader.data()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  await settleAll(reader.taken, delivered)
  await accountIs(rig, 'all to be acknowledged', (info) => info.num_ack_pending === 0 && info.num_pending === 0, 30_000)
  expect(reader.taken).toHaveLength(11)
  reader.open.close()
})

test('an acknowledgement that was lost with the link is given again, and its message is not handed on twice', async () => {
  const reader = await rig.read({ deadlineMs: 300 }, nc)
  await rig.publish('0')
  reader.open.request(2)
  const { settle } = await reader.has(1)
  wire.lose('toServer')
  const before = performance.now()
  await settle(delivered)
  const tookMs = performance.now() - before
  expect(tookMs).toBeGreaterThan(250)
  expect(tookMs).toBeLessThan(5_000)
  expect(await rig.info()).toMatchObject({ num_ack_pending: 1 })
  wire.cut()
  await accountIs(rig, 'it to be acknowledged', (info) => info.num_ack_pending === 0, 30_000)
  expect(reader.taken).toHaveLength(1)
  await rig.publish('1')
  await reader.has(2)
  reader.open.close()
})

test('closing while the server is frozen takes no longer than the deadline, and keeps nothing', async () => {
  const reader = await rig.read({ deadlineMs: 300 }, nc)
  await rig.publish('0')
  reader.open.request(2)
  const { settle } = await reader.has(1)
  nats.freeze()
  reader.open.close()
  const before = performance.now()
  await settle({ status: 'refused', reason: 'closing' })
  expect(performance.now() - before).toBeLessThan(5_000)
  nats.thaw()
  const next = await rig.read()
  next.open.request(1)
  await next.has(1)
  next.open.close()
})
