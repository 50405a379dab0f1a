import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Redis } from 'ioredis'
import { afterEach, expect, test } from 'vitest'
import { redisLimiter } from '../../../src/redis.ts'
import { startRedisNode } from '../../servers/redis-node.ts'
import { until } from '../../servers/until.ts'

const endings: (() => unknown)[] = []

afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end()
})

/** An address that leads new connections elsewhere after a failover; those that stand stay where they are. */
async function address(port: number): Promise<{ url: string; leadTo: (port: number) => void }> {
  let target = port
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.pipe(upstream).pipe(client)
    client.on('close', () => upstream.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  endings.push(() => server.close())
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    leadTo: (other) => void (target = other),
  }
}

test('a limiter leaves a master that has become a replica, and finds the new one behind the same address', async () => {
  const [old, next] = [await startRedisNode(), await startRedisNode()]
  endings.push(old.remove, next.remove)
  const { url, leadTo } = await address(old.port)
  const limiter = redisLimiter({ url, limits: { email: { limit: 1_000_000, windowMs: 3_600_000 } } })
  endings.push(async () => limiter.close?.())
  const check = async (degraded: boolean): Promise<true | undefined> =>
    (await limiter.check('acme', 'email')).degraded === degraded || undefined
  await until('the first master to decide', () => check(false))

  leadTo(next.port)
  const admin = new Redis(old.url)
  await admin.replicaof('127.0.0.1', next.port)
  admin.disconnect()
  await until('a write to be refused', () => check(true))

  expect(await until('the new master to decide', () => check(false))).toBe(true)
})
