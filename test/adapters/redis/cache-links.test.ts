import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type RedisCacheOptions, redisCache } from '../../../src/redis.ts'
import type { Cache } from '../../../src/streams/cache/two-tier-cache.ts'
import { startRedis } from '../../servers/start-redis.ts'
import { startTcpProxy, type TcpProxy } from '../../servers/tcp-proxy.ts'
import { until } from '../../servers/until.ts'
import { lagWatch } from './lag-watch.ts'

let server: Awaited<ReturnType<typeof startRedis>>
let [proxy, isFrozen, fleets]: [TcpProxy | undefined, boolean, number] = [undefined, false, 0]
const opened: Cache[] = []
const unhandled: unknown[] = []
const note = (error: unknown): void => void unhandled.push(error)

beforeAll(async () => {
  server = await startRedis()
  process.on('unhandledRejection', note)
})

beforeEach(() => {
  fleets += 1
})

afterEach(async () => {
  thaw()
  await Promise.all(opened.splice(0).map(async (cache) => cache.close?.()))
  await proxy?.stop()
  proxy = undefined
  expect(unhandled).toEqual([])
})

afterAll(async () => {
  process.off('unhandledRejection', note)
  await server.stop()
})

function open(options: Partial<RedisCacheOptions> = {}): Cache {
  const cache = redisCache({ url: server.url, fleet: `links-${fleets}`, deadlineMs: 2_000, ...options })
  opened.push(cache)
  return cache
}

function signal(name: 'SIGSTOP' | 'SIGCONT'): void {
  if (server.pid !== undefined) process.kill(server.pid, name)
  isFrozen = name === 'SIGSTOP'
}

function thaw(): void {
  if (isFrozen) signal('SIGCONT')
}

const address = { organization: 'acme', kind: 'stats', key: 'day' }
const scope = { organization: 'acme', scope: 'stats' } as const

/** Until what one invalidates is heard by the other. */
async function linked(one: Cache, other: Cache): Promise<void> {
  const probe = { ...address, key: 'probe' }
  await until('news to be heard', async () => {
    await one.set(probe, 1)
    await other.get(probe)
    await one.set(probe, 2)
    return until('the news', async () => ((await other.get(probe)) === 2 ? true : undefined), 500)
  })
}

describe('news that were lost', () => {
  test('while the connection was cut are made up for when it is back: nothing stale is served from then on', async () => {
    proxy = await startTcpProxy(server.url)
    const [cut, other] = [open({ url: proxy.url }), open()]
    await linked(other, cut)
    expect(await cut.wrap(address, () => 'old')).toBe('old')
    proxy.accept(false)
    proxy.cut()
    await other.invalidate(scope)
    // Cut off, it serves what it has: nothing tells it.
    expect(await cut.get(address)).toBe('old')
    proxy.accept(true)
    await until('the tier in process to be emptied', () => cut.stats().entries === 0 || undefined, 20_000)
    const found = new Set<unknown>()
    for (let read = 0; read < 50; read += 1) found.add(await cut.wrap(address, () => 'new'))
    expect([...found]).toEqual(['new'])
  })

  test('on a link that carries nothing and was never closed are made up for, too', async () => {
    proxy = await startTcpProxy(server.url)
    const [lost, other] = [open({ url: proxy.url }), open()]
    await linked(other, lost)
    expect(await lost.wrap(address, () => 'old')).toBe('old')
    const before = proxy.connections
    expect(before).toBeGreaterThan(0)
    proxy.lose('toClient')
    proxy.lose('toServer')
    await other.invalidate(scope)
    const startedAt = performance.now()
    // The proxy loses whatever goes over it until its connections are cut by the client; then it carries again.
    await until('the client to give the connection up', () => (proxy?.connections ?? 0) < before || undefined, 20_000)
    proxy.cut()
    await until('the tier in process to be emptied', () => lost.stats().entries === 0 || undefined, 20_000)
    console.info(`a link without a word was noticed, and anew, after ${(performance.now() - startedAt).toFixed(0)} ms`)
    expect(await lost.wrap(address, () => 'new')).toBe('new')
  })
})

describe('a Redis that hangs', () => {
  test('costs a hot key nothing, a cold one the deadline, and later ones nothing', async () => {
    const cache = open({ deadlineMs: 50 })
    await linked(open(), cache)
    expect(await cache.wrap(address, () => 'hot')).toBe('hot')
    signal('SIGSTOP')
    const lag = lagWatch()
    const timed = async (key: string): Promise<number> => {
      const startedAt = performance.now()
      expect(await cache.wrap({ ...address, key }, () => key)).toBe(key)
      return performance.now() - startedAt
    }
    const hotAt = performance.now()
    for (let read = 0; read < 1_000; read += 1) expect(await cache.wrap(address, () => 'other')).toBe('hot')
    const hotMs = performance.now() - hotAt
    const cold = await timed('cold')
    for (const key of ['second', 'third']) await timed(key)
    const later: number[] = []
    for (let read = 0; read < 50; read += 1) later.push(await timed(`later ${read}`))
    const lagMs = lag()
    const sorted = later.toSorted((one, other) => one - other)
    console.info(
      `1,000 hot reads ${hotMs.toFixed(0)} ms, a cold one ${cold.toFixed(0)} ms, ` +
        `later ones ${sorted[25]?.toFixed(2)} ms, at most ${sorted[49]?.toFixed(2)} ms (this process: ${lagMs.toFixed(0)} ms)`,
    )
    expect(cold).toBeLessThan(2 * 50 + 2 * lagMs)
    expect(sorted[25]).toBeLessThan(5)
    const refusal = await cache.invalidate(scope).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ name: 'UnavailableError' })
    expect(await cache.wrap(address, () => 'anew')).toBe('anew')
    thaw()
    await until('Redis to be asked again', async () => {
      const { unanswered } = cache.stats().tiers.shared
      await cache.get({ ...address, key: `back ${unanswered}` })
      return cache.stats().tiers.shared.unanswered === unanswered || undefined
    })
  })
})
