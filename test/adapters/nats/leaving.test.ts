import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { natsLog } from '../../../src/adapters/nats/nats-log.ts'
import { fleetOn } from '../../../src/testing/port-contracts/log-fleet.ts'
import { type NatsNode, startNatsNode } from '../../servers/nats-node.ts'
import { startTcpProxy, type TcpProxy } from '../../servers/tcp-proxy.ts'
import { until } from '../../servers/until.ts'
import { asOperator, linkIs, whyDown } from './seen.ts'

const deadlineMs = 1_000
const heartbeatMs = 200

let nats: NatsNode
let wire: TcpProxy
beforeEach(async () => {
  nats = await startNatsNode()
  wire = await startTcpProxy(nats.url)
})
afterEach(async () => {
  await wire.stop()
  await nats.remove()
})

describe('a connection of the log itself', () => {
  test('is shared by its members, closed after the last of them, and opened again for the next', async () => {
    const fleet = fleetOn(natsLog({ servers: wire.url }))
    const [one, two] = [await fleet.join('fleet'), await fleet.join('fleet')]
    expect(wire.connections).toBe(1)
    await one.log.leave()
    await fleet.append(two.log, 'smtp', 0)
    expect(wire.connections).toBe(1)
    await two.log.leave()
    await until('the connection to be closed', () => wire.connections === 0 || undefined)
    const three = await fleet.join('fleet')
    await three.has(1)
    await fleet.end()
  })

  test('leaves no consumer behind', async () => {
    const fleet = fleetOn(natsLog({ servers: nats.url }))
    const member = await fleet.join('fleet')
    await member.log.read('smtp')
    expect(await consumers()).toBe(1)
    await fleet.end()
    expect(await consumers()).toBe(0)
  })

  test.each([
    ['dead', () => nats.kill()],
    ['frozen', async () => nats.freeze()],
  ])('is let go of within the deadline when the server is %s', async (_, fail) => {
    const fleet = fleetOn(natsLog({ servers: nats.url, deadlineMs }))
    const member = await fleet.join('fleet')
    await fail()
    const before = performance.now()
    await member.log.leave()
    expect(performance.now() - before).toBeLessThan(deadlineMs + 300)
  })

  test('is let go of at once when there never was a server', async () => {
    await nats.kill()
    const fleet = fleetOn(natsLog({ servers: nats.url, deadlineMs }))
    const member = fleet.joinAtOnce()
    await linkIs(member, 'down')
    expect(whyDown(member)).toContain('connection refused')
    const before = performance.now()
    await member.log.leave()
    expect(performance.now() - before).toBeLessThan(deadlineMs)
  })
})

describe('a connection that was given', () => {
  let nc: NatsConnection
  beforeEach(async () => {
    nc = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  })
  afterEach(() => nc.close())

  test('is used and not closed', async () => {
    const fleet = fleetOn(natsLog({ connection: nc }))
    const member = await fleet.join('fleet')
    await fleet.append(member.log, 'smtp', 0)
    await fleet.end()
    expect(nc.isClosed()).toBe(false)
    await nc.flush()
    expect(await consumers()).toBe(0)
  })

  test('is down while it is interrupted, and is caught up on when it is back', async () => {
    const fleet = fleetOn(natsLog({ connection: nc, deadlineMs, heartbeatMs }))
    const other = fleetOn(natsLog({ servers: nats.url }))
    const [one, two] = [await fleet.join('fleet'), await other.join('fleet')]
    const heard = one.hear('news')
    const first = await fleet.append(one.log, 'smtp', 0)
    await nats.kill()
    await linkIs(one, 'down')
    await expect(one.log.append(fleet.message('smtp', first))).rejects.toThrow('there is no link')
    await nats.start()
    await linkIs(one, 'linked')
    await linkIs(two, 'linked')
    await other.append(two.log, 'smtp', first)
    await one.has(2)
    await other.broadcastUntil(two, 'news', 'once', () => heard.includes('once'))
    await Promise.all([fleet.end(), other.end()])
  })

  test('that its owner closes is down for good', async () => {
    const fleet = fleetOn(natsLog({ connection: nc }))
    const member = await fleet.join('fleet')
    await nc.close()
    await linkIs(member, 'down')
    expect(whyDown(member)).toBe('the connection that was given is closed')
    await fleet.end()
  })
})

describe('a connection that its owner drains', () => {
  test('throws at nobody who listens or speaks meanwhile', async () => {
    const nc = await connect({ servers: nats.url })
    const fleet = fleetOn(natsLog({ connection: nc }))
    const { log } = await fleet.join('fleet')
    const drained = nc.drain()
    expect(() => log.listen('news', () => {})).not.toThrow()
    while (!nc.isClosed()) {
      expect(() => log.broadcast('news', new Uint8Array(1))).not.toThrow()
      await new Promise(setImmediate)
    }
    await drained
    await fleet.end()
  })
})

describe('a process whose log cannot be reached', () => {
  test('ends by itself, though it never left', async () => {
    await nats.kill()
    expect(await runToItsEnd(nats.url)).toBe('down\n')
  })
})

function runToItsEnd(url: string): Promise<string> {
  const program = fileURLToPath(new URL('never-left.ts', import.meta.url))
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', 'tsx', program, url], { timeout: 20_000 }, (error, out, err) => {
      if (error) reject(new Error(`it did not end by itself: ${error.message}\n${out}\n${err}`))
      else resolve(out)
    })
  })
}

function consumers(): Promise<number> {
  return asOperator(nats.url, async (jsm) => (await jsm.streams.info('SWITCHGEAR_fleet')).state.consumer_count)
}
