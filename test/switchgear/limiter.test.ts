import { expect, test } from 'vitest'
import { memoryLimiter } from '../../src/adapters/memory/limiter.ts'
import { redisLimiter } from '../../src/redis.ts'
import { createSwitchgear } from '../../src/switchgear.ts'

test('an instance limits in memory, by the limits of the specification, unless it is given a limiter', async () => {
  const gear = createSwitchgear()
  const options = { breaker: 'smtp', limit: { key: 'acme', names: 'email' } }
  for (let call = 0; call < 50; call += 1)
    expect(await gear.safeCall(options, () => 'sent')).toMatchObject({ status: 'delivered' })
  expect(await gear.safeCall(options, () => 'sent')).toMatchObject({ status: 'refused', reason: 'rateLimited' })
  expect(await gear.limiter.peek('acme', ['alerts', 'slack', 'webhook'])).toMatchObject({ allowed: true })
  await gear.close()
})

test('a limiter is closed when the last instance that uses it closes', async () => {
  const closed: string[] = []
  const limiter = { ...memoryLimiter(), close: async () => void closed.push('limiter') }
  const [one, other] = [createSwitchgear({ limiter }), createSwitchgear({ limiter })]
  await one.close()
  await one.close()
  expect(closed).toEqual([])
  await other.close()
  expect(closed).toEqual(['limiter'])
})

test('closing waits for a limiter that does not close, but not longer than it may', async () => {
  const gear = createSwitchgear({ limiter: { ...memoryLimiter(), close: () => new Promise(() => {}) } })
  await gear.close({ deadlineMs: 20 })
  expect(gear.limiter).toBeDefined()
})

test('a limiter of another fleet is not meant for this one', async () => {
  const limiter = redisLimiter({ url: 'redis://127.0.0.1:1', fleet: 'alerts' })
  expect(() => createSwitchgear({ limiter })).toThrow(expect.objectContaining({ name: 'ConfigError', path: 'limiter' }))
  const gear = createSwitchgear({ limiter, fleet: 'alerts' })
  await gear.close()
})
