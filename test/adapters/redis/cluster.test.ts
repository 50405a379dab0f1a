import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Decision, Limiter } from '../../../src/ports/limiter.ts'
import { redisLimiter } from '../../../src/redis.ts'
import { type RedisCluster, startRedisCluster } from '../../servers/redis-cluster.ts'
import { until } from '../../servers/until.ts'
import { lagWatch } from './lag-watch.ts'

const limits = { email: { limit: 5, windowMs: 3_600_000 }, alerts: { limit: 500, windowMs: 3_600_000 } }
let cluster: RedisCluster
let limiter: Limiter

beforeAll(async () => {
  cluster = await startRedisCluster()
  limiter = redisLimiter({ url: cluster.urls, limits })
})

afterAll(async () => {
  await limiter?.close?.()
  await cluster?.remove()
})

const decided = (key: string): Promise<Decision> =>
  until('the cluster to decide', async () => {
    const decision = await limiter.check(key, ['email', 'alerts'])
    return decision.degraded ? undefined : decision
  })

describe('a cluster of three masters and three replicas', () => {
  test('decides several limits of an organization at once, wherever its slot is', async () => {
    const patient = redisLimiter({ url: cluster.urls, limits, deadlineMs: 10_000 })
    for (const key of ['acme', 'globex', 'initech', 'umbrella', 'a:{b}']) {
      expect(await patient.check(key, ['email', 'alerts'])).toMatchObject({ allowed: true, degraded: false })
      expect(await patient.peek(key, ['alerts', 'email'])).toMatchObject({
        limits: [{ remaining: 499 }, { remaining: 4 }],
      })
    }
    await patient.close?.()
  })

  test('makes nobody wait when a master is killed, and decides again by itself', async () => {
    await decided('failing')
    const master = await cluster.masterOf('sg:default:rl:{failing}:email')
    await master.kill()
    const took: number[] = []
    const lag = lagWatch()
    const degraded = await until('a call that the cluster cannot answer', async () => {
      const startedAt = performance.now()
      const decision = await limiter.check('failing', 'email')
      took.push(performance.now() - startedAt)
      return decision.degraded ? decision : undefined
    })
    expect(degraded).toMatchObject({ allowed: true })
    await until('the replica to take over', async () => {
      const startedAt = performance.now()
      const decision = await limiter.check('failing', 'email')
      took.push(performance.now() - startedAt)
      return decision.degraded ? undefined : decision
    })
    console.info(`${took.length} calls during the failover, the longest ${Math.max(...took).toFixed(0)} ms`)
    expect(Math.max(...took)).toBeLessThan(150 + 2 * lag())
    for (let call = 0; call < 5; call += 1) await decided('after')
    expect(await decided('after')).toMatchObject({ allowed: false })
  })
})
