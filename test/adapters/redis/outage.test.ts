import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isOutage } from '../../../src/adapters/redis/outage.ts'
import { UnavailableError } from '../../../src/kernel/errors.ts'
import { redisLimiter } from '../../../src/redis.ts'
import { startRedis } from '../../servers/start-redis.ts'

let server: Awaited<ReturnType<typeof startRedis>>
let client: Redis

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
})
afterAll(async () => {
  client.disconnect()
  await server.stop()
})

const replied = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' })

test.each([
  ['LOADING Redis is loading the dataset in memory', true],
  ["READONLY You can't write against a read only replica. script: 1f, on @user_script:9.", true],
  ["OOM command not allowed when used memory > 'maxmemory'. script: 1f, on @user_script:9.", true],
  ['ERR Error running script (call to f_1f): @user_script:9: @user_script: 9: -READONLY You can not', true],
  ['CLUSTERDOWN The cluster is down', true],
  ['TRYAGAIN Multiple keys request during rehashing of slot', true],
  ['MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to no.', true],
  ['BUSY Redis is busy running a script.', true],
  ['NOAUTH Authentication required.', true],
  ['ERR max number of clients reached', true],
  ['WRONGTYPE Operation against a key holding the wrong kind of value script: 1f, on @user_script:9.', false],
  ['ERR user_script:9: bad argument #1 to unpack (data string too short) script: 1f, on @user_script:9.', false],
  ['ERR Error running script (call to f_1f): @user_script:9: @user_script: 9: -WRONGTYPE Operation', false],
])('%s', (message, outage) => {
  expect(isOutage(new UnavailableError('Redis', message, { cause: replied(message) }))).toBe(outage)
})

test('what is no answer of Redis is an outage', () => {
  expect(isOutage(new Error('Connection is closed.'))).toBe(true)
  expect(isOutage(new UnavailableError('Redis', 'it is gone', { cause: new Error('READ ECONNRESET') }))).toBe(true)
  expect(isOutage('a text')).toBe(true)
})

test('a key of one organization that another program wrote is no reason to let all others pass', async () => {
  const limits = { email: { limit: 1, windowMs: 60_000 } }
  const limiter = redisLimiter({ url: server.url, fleet: 'sick', limits, deadlineMs: 5_000 })
  await client.lpush('sg:sick:rl:{acme}:email', 'x')
  await client.set('sg:sick:rl:{globex}:email', 'short')
  for (let call = 0; call < 5; call += 1)
    for (const key of ['acme', 'globex'])
      expect(await limiter.check(key, 'email')).toMatchObject({ allowed: true, degraded: true })
  expect(await limiter.check('initech', 'email')).toMatchObject({ allowed: true, degraded: false })
  expect(await limiter.check('initech', 'email')).toMatchObject({ allowed: false, degraded: false })
  await limiter.close?.()
})
