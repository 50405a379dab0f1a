import { describe, expect, test } from 'vitest'
import { memoryWindows } from '../../../src/adapters/memory/limiter.ts'
import { ConfigError, TimeoutError, UnavailableError } from '../../../src/kernel/errors.ts'
import type { Decision, LimitStore } from '../../../src/ports/limiter.ts'
import { silentLogger } from '../../../src/ports/logger.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'
import { goneStore, limiterOver, limits } from './guarded-limiter-rig.ts'

const never = (): Promise<never> => new Promise(() => {})

describe('a look at what is left', () => {
  test('is a look into the store, and books nothing', async () => {
    const limiter = limiterOver(memoryWindows({ limits, clock: virtualClock() }))
    for (let look = 0; look < 2; look += 1)
      expect(await limiter.peek('acme', 'email')).toMatchObject({ allowed: true, degraded: false })
    await limiter.check('acme', 'email')
    expect(await limiter.peek('acme', 'email')).toMatchObject({ allowed: false, limits: [{ remaining: 0 }] })
  })

  test('is one at what this instance has granted while it limits by itself, and books nothing', async () => {
    const limiter = limiterOver(goneStore)
    for (let look = 0; look < 2; look += 1)
      expect(await limiter.peek('acme', 'email')).toMatchObject({ allowed: true, degraded: true })
    await limiter.check('acme', 'email')
    expect(await limiter.peek('acme', 'email')).toMatchObject({ allowed: false, degraded: true })
  })

  test.each([
    ['a name that is not known', 'acme', 'fax'],
    ['an empty key', '', 'email'],
  ])('at %s is refused, as a request is', async (_what, key, names) => {
    const limiter = limiterOver(goneStore)
    await expect(limiter.peek(key, names)).rejects.toThrow(ConfigError)
    await expect(limiter.check(key, names)).rejects.toThrow(ConfigError)
  })
})

describe('without its store', () => {
  test.each([
    ['open', { allowed: true, retryAfterMs: 0 }, 1],
    ['closed', { allowed: false, retryAfterMs: 1_000 }, 0],
  ] as const)('a limiter that is %s says so of each limit', async (onUnavailable, decision, remaining) => {
    const limit = { name: 'email', limit: 1, windowMs: 60_000, remaining, resetMs: 0, exceeded: false }
    expect({ ...(await limiterOver(goneStore, { onUnavailable }).check('acme', 'email')) }).toEqual({
      ...decision,
      degraded: true,
      limits: [limit],
    })
  })

  test('it is said once that it does not answer, and that it does again', async () => {
    const clock = virtualClock()
    const said: string[] = []
    const say = (_facts: object, message: string): void => void said.push(message)
    const inner = memoryWindows({ limits, clock })
    let isGone = true
    const store: LimitStore = {
      ...inner,
      check: (key, names) => (isGone ? goneStore : inner).check(key, names),
    }
    const limiter = limiterOver(store, { clock, logger: { info: say, warn: say, error: say } })
    for (let call = 0; call < 5; call += 1) await limiter.check('acme', 'email')
    isGone = false
    await clock.advanceBy(250)
    await limiter.check('acme', 'email')
    expect(said).toEqual([
      expect.stringMatching(/^the store of the limiter does not answer; it is asked again in /),
      'the store of the limiter answers again',
    ])
  })

  test('nothing is given back to it that it was not asked for', async () => {
    const refunds: unknown[] = []
    const store: LimitStore = { ...goneStore, refund: async (decision) => void refunds.push(decision) }
    const limiter = limiterOver(store, { onUnavailable: 'closed' })
    for (let call = 0; call < 5; call += 1) await limiter.check('acme', 'email')
    expect(refunds).toEqual([])
  })
})

test('what the store says of a request that cannot be meant is said to the caller, and no reason to leave it alone', async () => {
  const error = new ConfigError('names', 'no such limit here')
  let asked = 0
  const check = (): Promise<never> => {
    asked += 1
    return Promise.reject(error)
  }
  const limiter = limiterOver({ ...goneStore, check })
  for (let call = 0; call < 5; call += 1) await expect(limiter.check('acme', 'email')).rejects.toBe(error)
  expect(asked).toBe(5)
})

test('what an instance that limits by itself cannot decide is said to the caller, unless it only has no room', async () => {
  const error = new ConfigError('names', 'no such limit here')
  const limiter = limiterOver(goneStore, { local: { ...goneStore, check: () => Promise.reject(error) } })
  await expect(limiter.check('acme', 'email')).rejects.toBe(error)
})

describe('what was granted is given back', () => {
  test('to the store, and the key is asked for again at once', async () => {
    const limiter = limiterOver(memoryWindows({ limits, clock: virtualClock() }))
    const granted = await limiter.check('acme', 'email')
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: false })
    await limiter.refund(granted)
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, degraded: false })
  })

  test('to this instance, where it decided by itself', async () => {
    const limiter = limiterOver(goneStore)
    const granted = await limiter.check('acme', 'email')
    expect(granted).toMatchObject({ allowed: true, degraded: true })
    await limiter.refund(granted)
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, degraded: true })
  })

  test('once, and to the store alone, where the store decided', async () => {
    const refunds: Decision[] = []
    const inner = memoryWindows({ limits, clock: virtualClock() })
    const refund = async (decision: Decision): Promise<undefined> => void refunds.push(decision)
    const limiter = limiterOver({ ...inner, refund })
    const granted = await limiter.check('acme', 'email')
    await limiter.refund(granted)
    expect(refunds).toEqual([granted])
  })

  test('or not, and nobody is told, where the store is gone', async () => {
    const inner = memoryWindows({ limits, clock: virtualClock() })
    const limiter = limiterOver({ ...goneStore, check: inner.check })
    const granted = await limiter.check('acme', 'email')
    await limiter.refund(granted)
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: false, degraded: false })
  })

  test('when it was booked too late for who was refused, and others of the key are asked for again', async () => {
    const clock = virtualClock()
    const inner = memoryWindows({ limits, clock })
    let answersAfterMs = 150
    const check: LimitStore['check'] = async (key, names) => {
      const decision = await inner.check(key, names)
      await clock.sleep(answersAfterMs)
      return decision
    }
    const limiter = limiterOver({ ...inner, check }, { clock, onUnavailable: 'closed' })
    expect(await clock.runUntil(limiter.check('acme', 'email'))).toMatchObject({ allowed: false, degraded: true })
    answersAfterMs = 0
    expect(await clock.runUntil(limiter.check('acme', 'email'))).toMatchObject({ allowed: false, degraded: false })
    await clock.advanceBy(50)
    expect(await clock.runUntil(limiter.check('acme', 'email'))).toMatchObject({ allowed: true, degraded: false })
  })
})

describe('a change', () => {
  test('is made here as well, where this instance limits by itself', async () => {
    const limiter = limiterOver({ ...goneStore, reset: async () => {} })
    await limiter.check('acme', 'email')
    await limiter.reset('acme')
    expect(await limiter.check('acme', 'email')).toMatchObject({ allowed: true, degraded: true })
  })

  test('is made in the store alone, where this instance never decides', async () => {
    const limiter = limiterOver({ ...goneStore, reset: async () => {} }, { onUnavailable: 'open', local: goneStore })
    await expect(limiter.reset('acme')).resolves.toBeUndefined()
  })

  test.each([
    ['cannot be meant', new ConfigError('names', 'no such limit')],
    ['cannot be asked for', new UnavailableError('Redis', 'it is gone')],
  ])('that %s rejects with what the store says', async (_what, error) => {
    await expect(limiterOver({ ...goneStore, reset: () => Promise.reject(error) }).reset('acme')).rejects.toBe(error)
  })

  test('that is not made in time, or fails, rejects with an UnavailableError that says why', async () => {
    const clock = virtualClock()
    const hanging = limiterOver({ ...goneStore, override: never }, { clock })
    const late: unknown = await clock.runUntil(
      hanging.override('acme', { email: null }).catch((error: unknown) => error),
    )
    expect(late).toBeInstanceOf(UnavailableError)
    expect(late).toMatchObject({
      message: expect.stringMatching(/^the store of the limiter .*it did not answer in 100 ms/) as unknown,
      cause: expect.any(TimeoutError) as unknown,
    })
    expect(late).toMatchObject({
      cause: { message: expect.stringMatching(/^the store of the limiter .*100 ms/) as unknown },
    })
    const failed = new Error('READONLY')
    await expect(
      limiterOver({ ...goneStore, reset: () => Promise.reject(failed) }).reset('acme'),
    ).rejects.toMatchObject({ name: 'UnavailableError', cause: failed })
  })
})

test('a limiter that is closed closes its store, if that can be closed, whatever that says', async () => {
  let closed = 0
  const close = async (): Promise<never> => {
    closed += 1
    throw new Error('of the store')
  }
  await limiterOver({ ...goneStore, close }).close?.()
  await limiterOver(goneStore, { logger: silentLogger }).close?.()
  expect(closed).toBe(1)
})
