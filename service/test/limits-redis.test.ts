import type { Limiter, Logger } from 'switchgear'
import { redisLimiter } from 'switchgear/redis'
import { afterEach, describe, expect, it } from 'vitest'
import { startRedis } from '../../test/servers/start-redis.ts'
import { until } from '../../test/servers/until.ts'
import { keepLimits } from '../src/config/keep-limits.ts'
import { parseConfig } from '../src/config/load-config.ts'
import { organizationsOf } from '../src/config/organizations.ts'
import { bookAlerts } from '../src/intake/book-alerts.ts'
import { deadPort } from './servers/http-endpoint.ts'

const ends: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

const fleet = `limits-${process.pid}-${Date.now()}`

/** An instance of the service, as far as limits go. */
function instance(url: string, limits: object | undefined) {
  const complaints: string[] = []
  const logger: Logger = { info() {}, warn() {}, error: (_facts, message) => void complaints.push(message) }
  const limiter: Limiter = redisLimiter({ url, fleet, deadlineMs: 2_000 })
  const organizations = organizationsOf(
    parseConfig(JSON.stringify({ organizations: { acme: { receivers: [], limits } } }), 'test'),
    {},
  )
  const kept = keepLimits({ organizations, limiter, logger })
  ends.push(
    () => limiter.close?.(),
    () => kept.stop(),
  )
  return { limiter, kept, complaints, book: (count: number) => bookAlerts(limiter, new Map([['acme', count]])) }
}

describe('limits of organizations', () => {
  it('are those of the whole fleet where instances share a Redis, and end with the configuration', async () => {
    const redis = await startRedis()
    ends.push(() => redis.stop())
    const own = { alerts: { limit: 5, windowMs: 60_000 } }
    const [one, other] = [instance(redis.url, own), instance(redis.url, own)]
    await Promise.all([one.kept.now(), other.kept.now()])
    expect(await one.book(3)).toMatchObject({ status: 'booked', decision: { limits: [{ limit: 5, remaining: 2 }] } })
    expect(await other.book(3)).toMatchObject({ status: 'refused', organization: 'acme' })
    const second = await other.book(2)
    expect(second).toMatchObject({ status: 'booked', decision: { limits: [{ remaining: 0 }] } })
    if (second.status === 'booked') await second.refund()
    expect((await other.book(2)).status).toBe('booked')

    const restarted = instance(redis.url, undefined)
    await restarted.kept.now()
    expect(await restarted.book(50)).toMatchObject({ status: 'booked', decision: { limits: [{ limit: 100 }] } })
  })

  it('let everything in while Redis is away, and are set when it is back', async () => {
    const { kept, complaints, book } = instance(`redis://127.0.0.1:${await deadPort()}`, {
      alerts: { limit: 5, windowMs: 60_000 },
    })
    await kept.now()
    expect(await book(50)).toMatchObject({ status: 'booked', decision: { degraded: true } })
    await until('it to be tried again', () => complaints.length > 1 || undefined)
    expect(new Set(complaints)).toEqual(new Set(['the limits of organizations could not be set']))
  })
})
