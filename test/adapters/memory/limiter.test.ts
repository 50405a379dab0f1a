import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { memoryLimiter, memoryLimiterDefaults } from '../../../src/adapters/memory/limiter.ts'
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

  test('keeps no more keys than it may, says so, and drops each as soon as it is over', async () => {
    const clock = virtualClock()
    const limiter = memoryLimiter({ limits, keysMax: 2, clock })
    await limiter.check('a', 'email')
    await clock.advanceBy(500)
    await limiter.check('b', ['email', 'alerts'])
    const refusal: unknown = await limiter.check('c', 'email').catch((error: unknown) => error)
    expect(refusal).toMatchObject({ bound: 'keysMax', max: 2 })
    expect(refusal).toHaveProperty('message', expect.stringMatching(/^limits in memory: /) as unknown)
    expect(await limiter.check('b', 'email')).toMatchObject({ allowed: true, limits: [{ remaining: 1 }] })
    await clock.advanceBy(499)
    await expect(limiter.check('c', 'email')).rejects.toThrow(OverCapacityError)
    expect(await limiter.peek('c', 'email')).toMatchObject({ allowed: true })
    await clock.advanceBy(1)
    expect(await limiter.check('c', 'email')).toMatchObject({ allowed: true })
    await clock.advanceBy(1_000)
    expect(await limiter.check('d', 'email')).toMatchObject({ allowed: true })
    await expect(limiter.check('e', 'email')).rejects.toThrow(OverCapacityError)
    expect(await limiter.peek('b', 'alerts')).toMatchObject({ limits: [{ remaining: 999 }] })
  })

  test('keeps 100,000 keys unless told otherwise', () => expect(memoryLimiterDefaults).toEqual({ keysMax: 100_000 }))

  test('overrides limits of no more keys than it may keep, but of those again and again', async () => {
    const limiter = memoryLimiter({ limits, keysMax: 1, clock: virtualClock() })
    const other = { email: { limit: 1, windowMs: 1_000 } }
    await limiter.override('acme', other)
    await limiter.override('acme', { alerts: { limit: 2, windowMs: 1_000 } })
    expect(await limiter.peek('acme', ['email', 'alerts'])).toMatchObject({ limits: [{ limit: 1 }, { limit: 2 }] })
    const refusal: unknown = await limiter.override('globex', other).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ bound: 'keysMax', max: 1 })
    expect(refusal).toHaveProperty('message', expect.stringMatching(/^overrides of limits in memory: /) as unknown)
    await limiter.override('acme', { email: null, alerts: null })
    expect(await limiter.peek('acme', 'email')).toMatchObject({ limits: [{ limit: 3 }] })
    await limiter.override('globex', other)
    expect(await limiter.peek('globex', 'email')).toMatchObject({ limits: [{ limit: 1 }] })
    await expect(limiter.override('', other)).rejects.toThrow(ConfigError)
  })

  test('forgets what is named and nothing else, which makes room when nothing is left', async () => {
    const limiter = memoryLimiter({ limits, keysMax: 1, clock: virtualClock() })
    await limiter.check('acme', ['email', 'alerts'])
    await limiter.reset('globex', 'email')
    await limiter.reset('acme', 'email')
    expect(await limiter.peek('acme', ['email', 'alerts'])).toMatchObject({
      limits: [{ remaining: 3 }, { remaining: 999 }],
    })
    await expect(limiter.check('globex', 'email')).rejects.toThrow(OverCapacityError)
    await limiter.reset('acme', 'alerts')
    expect(await limiter.check('globex', 'email')).toMatchObject({ allowed: true })
    await expect(limiter.reset('')).rejects.toThrow(ConfigError)
  })

  test('takes back all that it booked, also after it has forgotten some of it', async () => {
    const limiter = memoryLimiter({ limits, clock: virtualClock() })
    const decision = await limiter.check('acme', [{ name: 'email', cost: 2 }, 'alerts'])
    await limiter.reset('acme', 'alerts')
    await limiter.refund(decision)
    expect(await limiter.peek('acme', ['email', 'alerts'])).toMatchObject({
      limits: [{ remaining: 3 }, { remaining: 1_000 }],
    })
    const other = await limiter.check('acme', 'email')
    await limiter.reset('acme')
    await limiter.refund(other)
    expect(await limiter.peek('acme', 'email')).toMatchObject({ limits: [{ remaining: 3 }] })
  })

  test('says of each limit how it stands, and which one refused', async () => {
    const clock = virtualClock()
    const limiter = memoryLimiter({ limits, clock })
    const granted = await limiter.check('acme', [{ name: 'email', cost: 3 }, 'alerts'])
    expect({ ...granted }).toEqual({
      allowed: true,
      degraded: false,
      retryAfterMs: 0,
      limits: [
        { name: 'email', limit: 3, remaining: 0, resetMs: 1_000, windowMs: 1_000, exceeded: false },
        {
          name: 'alerts',
          limit: 1_000,
          remaining: 999,
          resetMs: expect.any(Number) as unknown,
          windowMs: 60_000,
          exceeded: false,
        },
      ],
    })
    await clock.advanceBy(100)
    expect(await limiter.check('acme', ['email', 'alerts'])).toMatchObject({
      allowed: false,
      retryAfterMs: 900,
      limits: [
        { name: 'email', remaining: 0, resetMs: 900, exceeded: true },
        { name: 'alerts', remaining: 999, exceeded: false },
      ],
    })
  })

  test.each<[object, string, string]>([
    [{ limits: 1 }, 'memoryLimiter.limits', 'expected limits by name'],
    [{ limits: null }, 'memoryLimiter.limits', 'expected limits by name'],
    [{ keysMax: 0 }, 'memoryLimiter.keysMax', '0'],
    [{ clock: {} }, 'memoryLimiter.clock', 'expected a clock'],
    [{ random: 1 }, 'memoryLimiter.random', 'expected a source of chance'],
    [{ keys: 1 }, 'memoryLimiter.keys', 'is not a known option'],
  ])('is not made of %j', (options, path, rule) => {
    expect(() => memoryLimiter(options)).toThrow(expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path }))
    expect(() => memoryLimiter(options)).toThrow(rule)
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
