import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { ConfigError, OverCapacityError, TimeoutError } from '../../../src/kernel/errors.ts'
import { draft, fails, limiterThat, never, rig, trip } from './safe-call-rig.ts'

describe('safeCall', () => {
  describe('with a limit of the caller', () => {
    const limit = { key: 'acme', names: 'email' }

    test('is refused over it, before the breaker is asked, without a letter', async () => {
      const subject = await rig({ limiter: limiterThat({ allowed: false, retryAfterMs: 212 }) })
      await trip(subject)
      const outcome = await subject.call({ limit, deadLetter: () => draft }, () => 'sent')
      expect(outcome).toEqual({ status: 'refused', reason: 'rateLimited', retryAfterMs: 212 })
      expect(await subject.deadLetters.count()).toBe(0)
    })

    test('books once, however many attempts it takes', async () => {
      const asked: unknown[] = []
      const { call } = await rig({ limiter: limiterThat({ allowed: true }, asked) })
      await call({ limit, retry: { jitter: 'none' } }, fails)
      expect(asked).toEqual([['check', 'acme', 'email']])
    })

    test('gives back what it booked when the work was never called', async () => {
      const asked: unknown[] = []
      const subject = await rig({ limiter: limiterThat({ allowed: true }, asked) })
      await trip(subject)
      expect(await subject.call({ limit }, () => 'sent')).toMatchObject({ reason: 'breakerOpen' })
      expect(asked).toMatchObject([
        ['check', 'acme', 'email'],
        ['refund', { allowed: true }],
      ])
    })

    test('goes on, and logs it, when the limiter breaks', async () => {
      const limiters = [
        { check: () => Promise.reject(new Error('frozen')) },
        {
          check: () => {
            throw new Error('frozen')
          },
        },
        { check: async () => null as never },
        { check: async () => ({}) as never },
      ]
      for (const broke of limiters) {
        const { call, logged } = await rig({ limiter: { ...limiterThat({ allowed: false }), ...broke } })
        expect(await call({ limit }, () => 'sent')).toMatchObject({ status: 'delivered' })
        expect(logged).toMatchObject([['warn', { limit }, 'the limiter failed; the call goes on']])
      }
    })

    test('is failed with a ConfigError for a limit that cannot be meant, or without a limiter', async () => {
      const unknown = { check: () => Promise.reject(new ConfigError('names', 'no such limit')) }
      for (const limiter of [undefined, { ...limiterThat({ allowed: true }), ...unknown }]) {
        const { call } = await rig({ limiter })
        const outcome = await call({ limit, deadLetter: () => draft, fallback: 1 }, () => 2)
        expect(outcome).toMatchObject({
          status: 'failed',
          attempts: 0,
          error: { type: 'invalid', name: 'ConfigError' },
        })
      }
    })

    test('does not wait for a limiter that hangs once the caller has aborted', async () => {
      const { safeCall } = await rig({ limiter: { ...limiterThat({ allowed: true }), check: never } })
      const caller = new AbortController()
      const call = safeCall({ breaker: 'smtp', limit, signal: caller.signal }, () => 'sent')
      caller.abort()
      expect(await call).toEqual({ status: 'refused', reason: 'aborted' })
    })
  })

  describe('that is called off', () => {
    test('ends at once: before it begins, in the work, in a wait', async () => {
      const { safeCall, clock, gear } = await rig()
      expect(await safeCall({ breaker: 'smtp', signal: AbortSignal.abort() }, () => expect.unreachable())).toEqual({
        status: 'refused',
        reason: 'aborted',
      })
      for (const work of [never, fails]) {
        const caller = new AbortController()
        let inner: AbortSignal | undefined
        const call = safeCall({ breaker: 'smtp', signal: caller.signal, timeoutMs: 5_000 }, ({ signal }) => {
          inner = signal
          return work()
        })
        await clock.advanceBy(10)
        caller.abort('enough')
        expect(await call).toEqual({ status: 'refused', reason: 'aborted' })
        if (work === never) expect(inner?.reason).toBe('enough')
        expect(getEventListeners(caller.signal, 'abort')).toEqual([])
      }
      await clock.settle()
      expect(gear.breaker('smtp').state.counts.consecutiveFailures).toBe(1)
      expect(clock.pendingTimers).toBe(0)
    })

    test('is delivered when the work was done before', async () => {
      const { call } = await rig()
      const caller = new AbortController()
      const outcome = await call({ signal: caller.signal }, () => {
        queueMicrotask(() => {})
        return 'sent'
      })
      caller.abort()
      expect(outcome).toMatchObject({ status: 'delivered' })
    })

    test('is refused when the instance is closing, or has been closed', async () => {
      const subject = await rig({ isClosing: () => true })
      expect(await subject.call({}, () => expect.unreachable())).toEqual({ status: 'refused', reason: 'closing' })
      const { call, gear } = await rig()
      await gear.close({ deadlineMs: 0 })
      expect(await call({ deadLetter: () => draft }, () => expect.unreachable())).toEqual({
        status: 'refused',
        reason: 'closing',
      })
    })

    test('is refused when no breaker can make room', async () => {
      const subject = await rig({}, { breakersMax: 1 })
      await trip(subject)
      expect(await subject.call({ breaker: 'other' }, () => expect.unreachable())).toEqual({
        status: 'refused',
        reason: 'overCapacity',
      })
      const full = () => Promise.reject(new OverCapacityError('a queue', 'max', 1))
      expect(await (await rig()).call({ retry: { maxAttempts: 1 } }, full)).toMatchObject({
        status: 'failed',
        attempts: 1,
      })
    })
  })

  describe('with a timeout', () => {
    test('ends each attempt at it, also when the work ignores its signal, and the breaker counts it', async () => {
      const { call, clock, gear } = await rig()
      const signals: AbortSignal[] = []
      const outcome = await call({ timeoutMs: 500, retry: { maxAttempts: 2, jitter: 'none' } }, ({ signal }) => {
        signals.push(signal)
        return never()
      })
      expect(outcome).toMatchObject({ status: 'failed', attempts: 2, durationMs: 2_000, error: { type: 'timeout' } })
      expect(outcome).toMatchObject({
        error: { cause: expect.any(TimeoutError) as unknown },
      })
      expect(outcome).toHaveProperty(
        'error.message',
        'the work of a call through breaker "smtp" did not finish within 500 ms',
      )
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
      expect(gear.breaker('smtp').state.counts.consecutiveFailures).toBe(2)
      expect(clock.pendingTimers).toBe(0)
    })

    test('of the whole call ends an attempt too, and the breaker counts that as well', async () => {
      const { call, clock, gear } = await rig({ deadlineMs: 1_200 })
      await clock.advanceBy(10_000)
      const outcome = await call({}, never)
      expect(outcome).toMatchObject({
        status: 'failed',
        attempts: 1,
        durationMs: 1_200,
        error: { type: 'timeout', gaveUp: 'deadline' },
      })
      await clock.advanceBy(1)
      expect(gear.breaker('smtp').state.counts.consecutiveFailures).toBe(1)
      expect(clock.pendingTimers).toBe(0)
    })
  })
})
