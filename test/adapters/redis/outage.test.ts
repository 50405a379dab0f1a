import { expect, test } from 'vitest'
import { isOfReplica, isOutage } from '../../../src/adapters/redis/outage.ts'
import { UnavailableError } from '../../../src/kernel/errors.ts'
import { redisLimiter } from '../../../src/redis.ts'
import { redisOfFile } from '../../servers/redis-of-file.ts'
import { until } from '../../servers/until.ts'

const redis = redisOfFile()

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
  expect(isOfReplica(replied(message))).toBe(message.includes('READONLY'))
})

test('what is no answer of Redis is an outage', () => {
  expect(isOutage(new Error('Connection is closed.'))).toBe(true)
  expect(isOutage(new UnavailableError('Redis', 'it is gone', { cause: new Error('READ ECONNRESET') }))).toBe(true)
  expect(isOutage('a text')).toBe(true)
})

test('a key of one organization that another program wrote is no reason to let all others pass', async () => {
  const limits = { email: { limit: 1, windowMs: 60_000 } }
  const limiter = redisLimiter({ url: redis.url, fleet: 'sick', limits, deadlineMs: 5_000 })
  await redis.client.lpush('sg:sick:rl:{acme}:email', 'x')
  await redis.client.set('sg:sick:rl:{globex}:email', 'short')
  for (let call = 0; call < 5; call += 1)
    for (const key of ['acme', 'globex'])
      expect(await limiter.check(key, 'email')).toMatchObject({ allowed: true, degraded: true })
  expect(await limiter.check('initech', 'email')).toMatchObject({ allowed: true, degraded: false })
  expect(await limiter.check('initech', 'email')).toMatchObject({ allowed: false, degraded: false })
  await limiter.close?.()
})

test.each([
  ['a list', (key: string) => redis.client.lpush(key, 'x')],
  ['too short', (key: string) => redis.client.set(key, 'short')],
  ['of a form that there is none of', (key: string) => redis.client.set(key, Buffer.alloc(40, 255))],
])('a reset mends a key that another program wrote: %s', async (what, write) => {
  const limits = { email: { limit: 1, windowMs: 60_000 } }
  const limiter = redisLimiter({ url: redis.url, fleet: 'mended', limits, deadlineMs: 5_000 })
  await write(`sg:mended:rl:{${what}}:email`)
  expect(await limiter.check(what, 'email')).toMatchObject({ degraded: true })
  await limiter.reset(what, 'email')
  expect(await limiter.check(what, 'email')).toMatchObject({ allowed: true, degraded: false })
  expect(await limiter.check(what, 'email')).toMatchObject({ allowed: false, degraded: false })
  await limiter.close?.()
})

test.each([
  ['closed', 1],
  ['open', 0],
] as const)(
  'with %s, %d is left when Redis booked a request that it answered too late',
  async (onUnavailable, left) => {
    const limits = { email: { limit: 1, windowMs: 60_000 } }
    const place = { url: redis.url, fleet: `late-${onUnavailable}`, limits }
    const [hasty, patient] = [
      redisLimiter({ ...place, onUnavailable, deadlineMs: 50 }),
      redisLimiter({ ...place, deadlineMs: 5_000 }),
    ]
    await until('a connection', async () => !(await hasty.peek('acme', 'email')).degraded || undefined)
    await redis.client.call('CLIENT', 'PAUSE', '250')
    const decision = await hasty.check('acme', 'email')
    expect(decision).toMatchObject({ degraded: true, allowed: onUnavailable === 'open' })
    const remaining = async (): Promise<number | undefined> =>
      (await patient.peek('acme', 'email')).limits[0]?.remaining
    // Redis takes commands in the order in which they came: the booking is done before this one.
    await patient.peek('acme', 'email')
    expect(await until('what is left', async () => ((await remaining()) === left ? left : undefined))).toBe(left)
    await hasty.refund(decision)
    await until('the refund', async () => (await remaining()) === 1 || undefined)
    await Promise.all([hasty.close?.(), patient.close?.()])
  },
)
