import { redisLimiter } from 'switchgear/redis'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Server } from '../../servers/server-process.ts'
import { startRedis } from '../../servers/start-redis.ts'
import { until } from '../../servers/until.ts'
import { integrations, type Site } from './serve.ts'

let redis: Server
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

const sites: Site[] = []
afterEach(async () => {
  await Promise.all(sites.splice(0).map((site) => site.close()))
})

const limits = { alerts: { limit: 100, windowMs: 60_000 }, quick: { limit: 3, windowMs: 1_700 } }

/** One instance of a fleet of sites that share their limits. */
async function open(integration: keyof typeof integrations, options: { names: string }) {
  const limiter = redisLimiter({ url: redis.url, fleet: 'http', limits, deadlineMs: 10_000 })
  onTestFinished(async () => limiter.close?.())
  const site = await integrations[integration]({ limiter, names: options.names })
  sites.push(site)
  return (organization: string) => fetch(site.url, { headers: { organization } })
}

test('of 101 requests in a minute to three instances that share a Redis exactly 100 pass', async () => {
  const names = { names: 'alerts' }
  const fleet = await Promise.all([open('fastify', names), open('express', names), open('fetch', names)])
  const answers = await Promise.all(Array.from({ length: 101 }, async (_, index) => fleet[index % 3]?.('acme')))
  const refused = answers.filter((answer) => answer?.status === 429)
  expect(answers.filter((answer) => answer?.status === 200)).toHaveLength(100)
  expect(refused).toHaveLength(1)
  const seconds = Number(refused[0]?.headers.get('retry-after'))
  expect(seconds).toBeGreaterThan(30)
  expect(seconds).toBeLessThanOrEqual(60)
})

test('whoever comes back after Retry-After passes', async () => {
  const ask = await open('fastify', { names: 'quick' })
  for (let index = 0; index < 3; index += 1) expect((await ask('other')).status).toBe(200)
  const refused = await ask('other')
  const backAt = performance.now() + Number(refused.headers.get('retry-after')) * 1_000
  expect(refused.status).toBe(429)
  expect(refused.headers.get('retry-after')).toMatch(/^[12]$/)
  await until('the time to come back', () => performance.now() >= backAt || undefined)
  expect((await ask('other')).status).toBe(200)
})

test('without the Redis, requests pass, and are not told that there is anything left', async () => {
  const own = await startRedis()
  const limiter = redisLimiter({ url: own.url, limits, deadlineMs: 10_000 })
  onTestFinished(async () => limiter.close?.())
  const site = await integrations.fastify({ limiter, names: 'quick' })
  sites.push(site)
  const ask = () => fetch(site.url, { headers: { organization: 'acme' } })
  expect((await ask()).headers.get('ratelimit')).toBe('"quick";r=2;t=2')
  await own.kill()
  for (let index = 0; index < 5; index += 1) {
    const { status, headers } = await ask()
    expect(status).toBe(200)
    expect(headers.get('ratelimit')).toBeNull()
    expect(headers.get('ratelimit-policy')).toBe('"quick";q=3;w=2')
  }
})
