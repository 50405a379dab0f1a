import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, test } from 'vitest'
import type { Decision, Limiter } from '../../../src/ports/limiter.ts'
import { redisLimiter, type RedisLimiterOptions } from '../../../src/redis.ts'
import { type RedisNode, startRedisNode } from '../../servers/redis-node.ts'
import { startTcpProxy } from '../../servers/tcp-proxy.ts'
import { until } from '../../servers/until.ts'
import { lagWatch } from './lag-watch.ts'

const limits = { email: { limit: 2, windowMs: 3_600_000 } }
const endings: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end()
})

async function rig(options: RedisLimiterOptions = {}): Promise<{ node: RedisNode; limiter: Limiter }> {
  const node = await startRedisNode()
  endings.push(() => node.remove())
  const limiter = redisLimiter({ url: node.url, limits, ...options })
  endings.push(async () => limiter.close?.())
  return { node, limiter }
}

/** How long answers took, in ms. */
async function timed(
  limiter: Limiter,
  calls: number,
): Promise<{ decisions: Decision[]; longestMs: number; lastMs: number }> {
  const decisions: Decision[] = []
  const took: number[] = []
  for (let call = 0; call < calls; call += 1) {
    const startedAt = performance.now()
    decisions.push(await limiter.check('acme', 'email'))
    took.push(performance.now() - startedAt)
  }
  return { decisions, longestMs: Math.max(...took), lastMs: took.at(-1) ?? 0 }
}

/** Until the store decides again. */
const recovered = (limiter: Limiter): Promise<Decision> =>
  until('the limiter to ask Redis again', async () => {
    const decision = await limiter.check('later', 'email')
    return decision.degraded ? undefined : decision
  })

/** The deadline is 100 ms, and it may take half as long again; a machine that is busy with other things shows as lag. */
const patienceMs = 150

describe.each([
  ['frozen', async (node: RedisNode) => node.freeze(), async (node: RedisNode) => node.thaw()],
  ['killed', (node: RedisNode) => node.kill(), (node: RedisNode) => node.start()],
])('while Redis is %s', (_how, fail, mend) => {
  test('answers come within the deadline, are degraded and allowed, later ones at once, and it heals by itself', async () => {
    const { node, limiter } = await rig()
    expect(await recovered(limiter)).toMatchObject({ allowed: true })
    await fail(node)
    const lag = lagWatch()
    const { decisions, longestMs, lastMs } = await timed(limiter, 10)
    const lagMs = lag()
    for (const decision of decisions) expect(decision).toMatchObject({ allowed: true, degraded: true, retryAfterMs: 0 })
    expect(longestMs).toBeLessThan(patienceMs + 2 * lagMs)
    expect(lastMs).toBeLessThan(50 + lagMs)
    await mend(node)
    await recovered(limiter)
    await until('a refusal of Redis', async () => {
      const { allowed, degraded } = await limiter.check('other', 'email')
      return (!allowed && !degraded) || undefined
    })
  })

  test('1,000 at once wait no longer, and nothing stays behind in queues', async () => {
    const node = await startRedisNode()
    endings.push(() => node.remove())
    const connection = new Redis(node.url, { retryStrategy: () => 50, socketTimeout: 500 })
    connection.on('error', () => {})
    endings.push(async () => connection.disconnect())
    const limiter = redisLimiter({ connection, limits })
    await recovered(limiter)
    await fail(node)
    const lag = lagWatch()
    const startedAt = performance.now()
    const all = await Promise.all(Array.from({ length: 1_000 }, (_, index) => limiter.check(`key-${index}`, 'email')))
    const tookMs = performance.now() - startedAt
    expect(tookMs).toBeLessThan(patienceMs + 3 * lag())
    expect(all.every(({ degraded, allowed }) => degraded && allowed)).toBe(true)
    await mend(node)
    await recovered(limiter)
    const waiting = (queue: string): number => (Reflect.get(connection, queue) as { readonly length: number }).length
    await until('the queues to be empty', () => waiting('commandQueue') + waiting('offlineQueue') === 0 || undefined)
    await limiter.close?.()
    expect(await connection.ping()).toBe('PONG')
  })
})

describe('while Redis cannot be asked', () => {
  test('closed refuses, and says when to come back', async () => {
    const { node, limiter } = await rig({ onUnavailable: 'closed' })
    await node.kill()
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: false, degraded: true, retryAfterMs: 1_000 })
  })

  test('local limits by itself, and takes back what it booked', async () => {
    const { node, limiter } = await rig({ onUnavailable: 'local' })
    await node.kill()
    const [first] = [await limiter.check('acme', 'email'), await limiter.check('acme', 'email')]
    expect(first).toMatchObject({ allowed: true, degraded: true })
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: false, degraded: true })
    await limiter.refund(first)
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, degraded: true })
  })

  test('what changes limits says so, a refund does not, and bad requests are bad requests', async () => {
    const { node, limiter } = await rig()
    const decision = await recovered(limiter)
    await node.kill()
    await expect(limiter.reset('acme')).rejects.toMatchObject({ code: 'SWITCHGEAR_UNAVAILABLE' })
    await expect(limiter.override('acme', { email: null })).rejects.toMatchObject({ code: 'SWITCHGEAR_UNAVAILABLE' })
    await limiter.refund(decision)
    await expect(limiter.check('acme', 'fax')).rejects.toMatchObject({ code: 'SWITCHGEAR_CONFIG' })
    await expect(limiter.check('', 'email')).rejects.toMatchObject({ code: 'SWITCHGEAR_CONFIG' })
  })

  test('a limiter that was made before its Redis finds it', async () => {
    const node = await startRedisNode()
    endings.push(() => node.remove())
    await node.kill()
    const limiter = redisLimiter({ url: node.url, limits })
    endings.push(async () => limiter.close?.())
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, degraded: true })
    await node.start()
    expect(await recovered(limiter)).toMatchObject({ allowed: true })
  })
})

test('a process that was busy hears what Redis has answered meanwhile, and does not blame it', async () => {
  const { limiter } = await rig({ deadlineMs: 50 })
  await recovered(limiter)
  const decision = limiter.check('acme', 'email')
  // It is on its way, and timers come before answers from here.
  await new Promise(setImmediate)
  const untilAt = performance.now() + 200
  while (performance.now() < untilAt);
  expect(await decision).toMatchObject({ allowed: true, degraded: false })
})

test('a connection on which nothing comes back is given up, though nobody closed it', async () => {
  const node = await startRedisNode()
  endings.push(() => node.remove())
  const proxy = await startTcpProxy(node.url)
  endings.push(() => proxy.stop())
  const limiter = redisLimiter({ url: proxy.url, limits })
  endings.push(async () => limiter.close?.())
  await recovered(limiter)
  proxy.hold('toClient')
  proxy.accept(false)
  expect(await limiter.check('acme', 'email')).toMatchObject({ degraded: true })
  await until('the connection to be given up', () => proxy.connections === 0 || undefined)
  proxy.cut()
  proxy.accept(true)
  expect(await recovered(limiter)).toMatchObject({ allowed: true })
})

describe('a process that used a limiter', () => {
  const program = fileURLToPath(new URL('limit-and-leave.ts', import.meta.url))
  const run = (url: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const args = ['--import', 'tsx', program, url]
      execFile(process.execPath, args, { timeout: 120_000 }, (error, out, err) =>
        error ? reject(new Error(`it did not end by itself: ${error.message}\n${out}\n${err}`)) : resolve(out + err),
      )
    })

  test('ends by itself with Redis there, frozen and gone', async () => {
    const { node } = await rig()
    expect(await run(node.url)).toBe('false done\n')
    node.freeze()
    expect(await run(node.url)).toBe('true done\n')
    await node.kill()
    expect(await run(node.url)).toBe('true done\n')
  })
})
