import { describe, expect, test } from 'vitest'
import { ConfigError } from '../../../src/kernel/errors.ts'
import type { SafeCallOptions } from '../../../src/streams/safe-call/safe-call-options.ts'
import { hostileValues } from '../../../src/testing/hostile-values.ts'
import { broken, draft, fails, rig } from './safe-call-rig.ts'

describe('safeCall', () => {
  describe('given what it should not be given', () => {
    const bad: readonly [path: string, options: unknown, work?: unknown][] = [
      ['safeCall', null],
      ['safeCall', undefined],
      ['safeCall', 'smtp'],
      ['safeCall.breaker', {}],
      ['safeCall.breaker', { breaker: 1 }],
      ['breaker', { breaker: '' }],
      ['safeCall.braker', { breaker: 'smtp', braker: 1 }],
      ['safeCall.timeoutMs', { breaker: 'smtp', timeoutMs: 0 }],
      ['safeCall.retry', { breaker: 'smtp', retry: 3 }],
      ['safeCall.retry.maxAttempts', { breaker: 'smtp', retry: { maxAttempts: 0 } }],
      ['safeCall.retry.attempts', { breaker: 'smtp', retry: { attempts: 1 } }],
      ['safeCall.limit.key', { breaker: 'smtp', limit: { names: 'email' } }],
      ['safeCall.limit.names', { breaker: 'smtp', limit: { key: 'acme' } }],
      ['safeCall.deadLetter', { breaker: 'smtp', deadLetter: {} }],
      ['safeCall.signal', { breaker: 'smtp', signal: {} }],
      ['safeCall', { breaker: 'smtp', signal: untouchable(new AbortController().signal) }],
      ['safeCall', untouchable({ breaker: 'smtp' })],
      ['safeCall', { breaker: 'smtp', retry: untouchable({ maxAttempts: 1 }) }],
      ['safeCall', hostileValues()['a revoked proxy']],
      ['work', { breaker: 'smtp' }, null],
      ['work', { breaker: 'smtp' }, 'send'],
    ]

    test.each(bad)(
      'is failed with a ConfigError that names %s (%#)',
      async (path, options, work = () => expect.unreachable()) => {
        const { safeCall } = await rig()
        const outcome = await safeCall(options as SafeCallOptions<unknown>, work as () => unknown)
        expect(outcome).toMatchObject({
          status: 'failed',
          attempts: 0,
          durationMs: 0,
          error: { type: 'invalid', retryable: false },
        })
        const cause = outcome.status === 'failed' ? outcome.error.cause : undefined
        expect(cause).toBeInstanceOf(ConfigError)
        expect(cause).toHaveProperty('path', path)
      },
    )

    test('takes frozen options, options with getters, and options that are there and undefined', async () => {
      const { call, safeCall } = await rig()
      const getters = {
        get breaker() {
          return 'smtp'
        },
      }
      const unsaid = { breaker: 'smtp', retry: undefined, limit: undefined, timeoutMs: undefined, signal: undefined }
      for (const options of [
        Object.freeze({ breaker: 'smtp' }),
        getters,
        Object.create(getters) as typeof getters,
        unsaid,
      ]) {
        expect(await safeCall(options, () => 1)).toMatchObject({ status: 'delivered' })
      }
      expect(await call({ retry: Object.freeze({ maxAttempts: 1 }) }, () => 1)).toMatchObject({ status: 'delivered' })
    })

    test.each(Object.entries(hostileValues()))(
      'takes %s as what the work throws, rejects with, and gives',
      async (what, value) => {
        const { call } = await rig()
        const options = { retry: { maxAttempts: 1 }, deadLetter: () => ({ ...draft, error: value, payload: value }) }
        const thrower = () => {
          throw value
        }
        expect(await call(options, thrower)).toMatchObject({
          status: 'deadLettered',
          attempts: 1,
          error: { name: expect.any(String) as unknown },
        })
        expect(await call({ retry: { maxAttempts: 1 } }, () => Promise.reject(value))).toMatchObject({
          status: 'failed',
        })
        const given = await call({}, () => value)
        if (what === 'a proxy that throws' || what === 'getters that throw' || what === 'a revoked proxy')
          expect(given.status).toBe('failed')
        else expect(given.status === 'delivered' && Object.is(given.value, value)).toBe(true)
      },
    )

    test('takes thenables that call back twice, throw, or never call back', async () => {
      const { call } = await rig()
      const twice = {
        then: (resolve: (v: string) => void, reject: (e: unknown) => void) => {
          resolve('first')
          reject(broken)
          throw broken
        },
      }
      const getter = Object.defineProperty({}, 'then', {
        get: () => {
          throw broken
        },
      })
      const constructor = Object.defineProperty(Promise.resolve(1), 'constructor', {
        get: () => {
          throw broken
        },
      })
      const silent = { then: () => {} }
      for (const timeoutMs of [undefined, 100]) {
        const options = { retry: { maxAttempts: 1 }, timeoutMs }
        expect(await call(options, () => twice)).toMatchObject({ status: 'delivered', value: 'first' })
        expect(await call(options, () => getter)).toMatchObject({ status: 'failed', error: { cause: broken } })
        expect((await call(options, () => constructor)).status).toMatch(/delivered|failed/)
      }
      expect(await call({ retry: { maxAttempts: 1 }, timeoutMs: 100 }, () => silent)).toMatchObject({
        error: { type: 'timeout' },
      })
    })

    test('is not disturbed by loggers, classifiers and listeners that throw or reject', async () => {
      const hooks: readonly ((...given: unknown[]) => undefined)[] = [
        () => {
          throw new Error('hook')
        },
        () => Promise.reject(new Error('hook')) as never,
      ]
      for (const hook of hooks) {
        const { call } = await rig({ logger: { info: hook, warn: hook, error: hook } })
        const outcome = await call({ retry: { jitter: 'none', classify: hook, onRetry: hook } }, fails)
        expect(outcome).toMatchObject({
          status: 'failed',
          attempts: 3,
          durationMs: 3_000,
          error: { type: 'connection' },
        })
      }
    })
  })
})

/** Throws as soon as it is looked at. */
function untouchable<T extends object>(target: T): T {
  return new Proxy(target, {
    get: () => {
      throw new Error('hostile')
    },
  })
}
