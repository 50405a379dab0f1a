import { redisLimiter } from 'switchgear/redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RedisCluster, startRedisCluster } from '../servers/redis-cluster.ts'
import { runCommandHere } from './command-here.ts'
import { runCommand } from './command.ts'

let cluster: RedisCluster
beforeAll(async () => {
  cluster = await startRedisCluster()
})
afterAll(() => cluster?.remove())

test('the use of a fleet and the limits of an organization are found in a cluster, whichever node they are on', async () => {
  const limits = { email: { limit: 50, windowMs: 3_600_000 } }
  const organizations = ['acme', 'globex', 'initech', 'umbrella']
  const limiter = redisLimiter({ url: cluster.urls, fleet: 'alerts', limits, deadlineMs: 20_000 })
  for (const organization of organizations) await limiter.check(organization, 'email')
  await limiter.close?.()
  const redis = ['--fleet', 'alerts', '--deadline', '20s', '--redis', cluster.urls.join()]
  const { code, stdout } = await runCommand(['limits', 'suggest', '--json', ...redis])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ limits: [{ name: 'email', asked: 4, peak: 1, scope: 'fleet' }] })
  for (const organization of organizations) {
    const shown = await runCommandHere(['limits', 'show', organization, '--json', ...redis])
    expect(JSON.parse(shown.stdout)).toMatchObject({ limits: [{ name: 'email', remaining: 49 }] })
  }
})

test('a node of a cluster that is given alone is told what to give', async () => {
  const { url } = await cluster.masterOf(`sg:alerts:rl:usage:{${Math.floor(Date.now() / 604_800_000)}}`)
  const another = cluster.urls.find((each) => each !== url) ?? ''
  const { code, stderr } = await runCommandHere(['limits', 'suggest', '--fleet', 'alerts', '--redis', another])
  expect(stderr).toContain('this is a cluster: give some of its nodes to --redis, with commas')
  expect(code).toBe(3)
})
