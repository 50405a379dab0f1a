import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { memoryLimiter } from '../../../src/adapters/memory/limiter.ts'
import { ConfigError, OverCapacityError } from '../../../src/kernel/errors.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

const limits = { email: { limit: 3, windowMs: 1_000 }, alerts: { limit: 1_000, windowMs: 60_000 } }

describe('rate limits in memory', () => {
  test('grants what the limit says in a window, and again when the window is over', async () => {
    const clock = virtualClock()
    const limiter = memoryLimiter({ limits, clock })
    for (const remaining of [2, 1, 0])
      expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, limits: [{ remaining }] })
    await clock.advanceBy(999)
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: false, retryAfterMs: 1 })
    await clock.advanceBy(1)
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, limits: [{ remaining: 2 }] })
  })

  test('tells whoever listens what was decided, and not what was only looked at', async () => {
    const heard: unknown[] = []
    const listen = (message: unknown): void => void heard.push(message)
    subscribe('switchgear:limit', listen)
    const limiter = memoryLimiter({ limits, clock: virtualClock() })
    await limiter.peek('acme', 'email')
    const decision = await limiter.check('acme', 'email')
    unsubscribe('switchgear:limit', listen)
    expect(heard).toEqual([{ key: 'acme', decision }])
  })

  test('books all names or none', async () => {
    const limiter = memoryLimiter({ limits, clock: virtualClock() })
    await limiter.check('acme', [{ name: 'email', cost: 3 }])
    expect(await limiter.check('acme', ['alerts', 'email'])).toMatchObject({ allowed: false })
    expect(await limiter.peek('acme', 'alerts')).toMatchObject({ limits: [{ remaining: 1_000 }] })
  })

  test('takes back what it booked, once', async () => {
    const limiter = memoryLimiter({ limits, clock: virtualClock() })
    const [first] = [await limiter.check('acme', 'email'), await limiter.check('acme', 'email')]
    await limiter.refund(first)
    await limiter.refund(first)
    expect(await limiter.peek('acme', 'email')).toMatchObject({ limits: [{ remaining: 2 }] })
  })

  test('has other limits for a key while they are overridden, and forgets on demand', async () => {
    const limiter = memoryLimiter({ limits, clock: virtualClock() })
    await limiter.override('acme', { email: { limit: 1, windowMs: 1_000 } })
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true })
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: false })
    expect(await limiter.check('other', 'email')).toMatchObject({ limits: [{ limit: 3 }] })
    await limiter.override('acme', { email: null })
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, limits: [{ remaining: 1 }] })
    await limiter.reset('acme')
    expect(await limiter.peek('acme', 'email')).toMatchObject({ limits: [{ remaining: 3 }] })
  })

  test('keeps what was granted under a longer window as long as that, whatever is granted after it, and nothing else', async () => {
    const clock = virtualClock()
    const limiter = memoryLimiter({ limits, clock })
    const checkAt = async (ms: number, cost: number): Promise<unknown> => {
      await clock.advanceBy(ms - clock.monotonic())
      return (await limiter.check('acme', [{ name: 'alerts', cost }])).limits[0]
    }
    await checkAt(0, 1)
    await limiter.override('acme', { alerts: { limit: 100, windowMs: 3_600_000 } })
    await checkAt(1_000, 20)
    await limiter.override('acme', { alerts: { limit: 100, windowMs: 60_000 } })
    expect(await checkAt(2_000, 3)).toMatchObject({ remaining: 76, resetMs: 3_599_000 })
    expect(await checkAt(3_000, 4)).toMatchObject({ remaining: 72, resetMs: 3_598_000 })
    expect(await checkAt(63_000, 5)).toMatchObject({ remaining: 75, resetMs: 3_538_000 })
  })

  test('refuses one key more than it may keep, until one is over', async () => {
    const clock = virtualClock()
    const limiter = memoryLimiter({ limits, keysMax: 2, clock })
    for (const key of ['a', 'b']) await limiter.check(key, 'email')
    await expect(limiter.check('c', 'email')).rejects.toThrow(OverCapacityError)
    await clock.advanceBy(1_000)
    expect(await limiter.check('c', 'email')).toMatchObject({ allowed: true })
  })

  test('refuses for ever what costs more than the limit', async () => {
    const limiter = memoryLimiter({ limits })
    expect(await limiter.check('acme', [{ name: 'email', cost: 4 }])).toMatchObject({
      allowed: false,
      retryAfterMs: Infinity,
    })
  })

  test.each([
    ['an unknown name', 'acme', 'fax'],
    ['no name', 'acme', []],
    ['an empty key', '', 'email'],
    ['a cost of 0', 'acme', [{ name: 'email', cost: 0 }]],
    ['half a cost', 'acme', [{ name: 'email', cost: 0.5 }]],
  ])('rejects %s', async (_what, key, names) => {
    await expect(memoryLimiter({ limits }).check(key, names)).rejects.toThrow(ConfigError)
  })

  test.each([
    { limit: 0, windowMs: 1 },
    { limit: -1, windowMs: 1 },
    { limit: 1, windowMs: 0 },
    { limit: 1.5, windowMs: 1 },
  ])('is not made of the limit %o', (bad) => expect(() => memoryLimiter({ limits: { bad } })).toThrow(ConfigError))

  test('proposes limits from what was asked for', async () => {
    const clock = virtualClock()
    const limiter = memoryLimiter({ limits, clock })
    for (let window = 0; window < 200; window += 1) {
      for (let call = 0; call < 10; call += 1) await limiter.check('acme', 'email')
      await clock.advanceBy(1_000)
    }
    const [email, alerts] = await limiter.suggest()
    expect(email).toMatchObject({ name: 'email', asked: 2_000, refused: 1_400, peak: 10, wouldHaveRefused: 0 })
    expect(email?.suggested).toBeGreaterThanOrEqual(10)
    expect(email?.suggested).toBeLessThanOrEqual(14)
    expect(alerts).toMatchObject({ name: 'alerts', asked: 0, suggested: 1_000 })
  })
})

describe('the contract of the port', () => {
  portContracts.limiter(test, (of) => memoryLimiter({ limits: of }))
})
