import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { memoryDeadLetters } from '../../../src/factories/memory-dead-letters.ts'
import { BreakerOpenError, UnavailableError } from '../../../src/kernel/errors.ts'
import type { DeadLetters } from '../../../src/streams/dead-letters/dead-letter-queue.ts'
import { broken, draft, fails, limiterThat, refusedForGood, rig, trip } from './safe-call-rig.ts'

describe('safeCall', () => {
  describe('where the work succeeds', () => {
    test('gives its value, after one attempt', async () => {
      const { call } = await rig()
      expect(await call({}, () => 'sent')).toEqual({ status: 'delivered', value: 'sent', attempts: 1, durationMs: 0 })
    })

    test('retries until then, and counts attempts and the whole time, waits included', async () => {
      const { call } = await rig()
      let calls = 0
      const work = async () => (++calls < 3 ? fails() : 'sent')
      const outcome = await call({ retry: { jitter: 'none' } }, work)
      expect(outcome).toEqual({ status: 'delivered', value: 'sent', attempts: 3, durationMs: 3_000 })
    })

    test('gives the work its call: a signal, and no probe while the breaker is closed', async () => {
      const { call } = await rig()
      const outcome = await call({ timeoutMs: 100 }, ({ signal, probe }) => [signal.aborted, probe])
      expect(outcome).toMatchObject({ value: [false, undefined] })
    })
  })

  describe('where the work fails for good', () => {
    test('gives the classified error with the reason to give up and what was thrown', async () => {
      const { call } = await rig()
      const outcome = await call({ retry: { maxAttempts: 2, jitter: 'none' } }, fails)
      expect(outcome).toMatchObject({ status: 'failed', attempts: 2, durationMs: 1_000 })
      expect(outcome).toMatchObject({
        error: { type: 'connection', code: 'ECONNREFUSED', gaveUp: 'attempts', cause: broken },
      })
    })

    test('does not retry what is final', async () => {
      const { call } = await rig()
      const outcome = await call({}, () => Promise.reject(refusedForGood))
      expect(outcome).toMatchObject({
        status: 'failed',
        attempts: 1,
        error: { type: 'rejected', gaveUp: 'final', status: 550 },
      })
    })

    test('writes a letter with the error and the attempts before it says so', async () => {
      const { call, deadLetters } = await rig()
      const outcome = await call({ retry: { jitter: 'none' }, deadLetter: () => draft }, fails)
      expect(outcome).toMatchObject({
        status: 'deadLettered',
        attempts: 3,
        durationMs: 3_000,
        error: { type: 'connection' },
      })
      const { items } = await deadLetters.list()
      expect(items).toMatchObject([
        {
          ...draft,
          errorType: 'connection',
          error: { message: broken.message, code: 'ECONNREFUSED' },
          attempts: [1_000_000, 1_001_000, 1_003_000].map((at) => ({ at, error: broken.message })),
          retryCount: 2,
        },
      ])
      expect(outcome).toMatchObject({ letterId: items[0]?.id })
    })

    test('writes a letter of the type that the outcome says, also when the describer hands on what was thrown', async () => {
      const { call, deadLetters } = await rig()
      const retry = { maxAttempts: 1, classify: () => ({ type: 'expired' as const }) }
      const outcome = await call({ retry, deadLetter: ({ cause }) => ({ ...draft, error: cause, id: 'x' }) }, fails)
      expect(outcome).toMatchObject({ status: 'deadLettered', letterId: 'acme.x', error: { type: 'expired' } })
      expect(await deadLetters.get('acme.x')).toMatchObject({ errorType: 'expired', error: { code: 'ECONNREFUSED' } })
    })

    test('keeps what the describer says of error and attempts', async () => {
      const { call, deadLetters } = await rig()
      const own = { ...draft, error: new Error('my own'), attempts: [{ at: 1, error: 'mine' }], id: 'x' }
      await call({ retry: { maxAttempts: 1 }, deadLetter: () => own }, fails)
      expect(await deadLetters.get('acme.x')).toMatchObject({ error: { message: 'my own' }, attempts: own.attempts })
    })

    test('is failed, and logged, when the letter cannot be described or stored', async () => {
      const away = { ...memoryDeadLetters(), enqueue: () => Promise.reject(new UnavailableError('redis', 'frozen')) }
      const broke = () => {
        throw new Error('describer')
      }
      const cases: readonly [DeadLetters | undefined, () => typeof draft][] = [
        [undefined, () => draft],
        [away, () => draft],
        [{ ...away, enqueue: broke }, () => draft],
        [{ ...away, enqueue: async () => null as never }, () => draft],
        [memoryDeadLetters({ bodyBytesMax: 1 }), () => draft],
        [memoryDeadLetters(), broke],
        [memoryDeadLetters(), () => ({ ...draft, organization: '' })],
        [memoryDeadLetters(), () => null as never],
        [memoryDeadLetters(), () => Promise.reject(new Error('describer')) as never],
      ]
      for (const [deadLetters, deadLetter] of cases) {
        const { call, logged } = await rig({ deadLetters })
        const outcome = await call({ retry: { maxAttempts: 1 }, deadLetter }, fails)
        expect(outcome).toMatchObject({ status: 'failed', attempts: 1, error: { type: 'connection', cause: broken } })
        expect(logged.map(([level, , message]) => `${level}: ${message}`)).toContain(
          'error: the dead letter could not be written',
        )
      }
    })
  })

  describe('behind an open breaker', () => {
    test('is refused with the time to come back, and the work is not called', async () => {
      const subject = await rig()
      await trip(subject)
      let calls = 0
      const outcome = await subject.call({}, () => ++calls)
      expect(outcome).toMatchObject({ status: 'refused', reason: 'breakerOpen' })
      expect(outcome).toHaveProperty('retryAfterMs', (subject.gear.breaker('smtp').state.retryAt ?? 0) - 1_000_000)
      expect(calls).toBe(0)
    })

    test('is dead-lettered at once where a letter is described, as circuit_open', async () => {
      const subject = await rig()
      await trip(subject)
      const outcome = await subject.call({ deadLetter: () => draft }, () => 'sent')
      expect(outcome).toMatchObject({
        status: 'deadLettered',
        attempts: 0,
        durationMs: 0,
        error: { type: 'circuit_open' },
      })
      expect((await subject.deadLetters.list()).items).toMatchObject([
        { errorType: 'circuit_open', attempts: [{ at: 1_000_000 }] },
      ])
    })

    test('ends with the last error of the work when the breaker opens between attempts', async () => {
      const subject = await rig({}, { breakers: { smtp: { failureThreshold: 2 } } })
      const outcome = await subject.call({ retry: { maxAttempts: 5, jitter: 'none' }, deadLetter: () => draft }, fails)
      expect(outcome).toMatchObject({
        status: 'deadLettered',
        attempts: 2,
        error: { type: 'connection', gaveUp: 'final', cause: broken },
      })
      expect((await subject.deadLetters.list()).items).toMatchObject([{ errorType: 'connection', retryCount: 1 }])
    })

    test('tells its own refusal from that of a breaker within the work', async () => {
      const subject = await rig()
      await trip(subject, 'inner')
      const outcome = await subject.call({}, () => subject.gear.breaker('inner').run(() => 'sent'))
      expect(outcome).toMatchObject({ status: 'failed', attempts: 1, error: { type: 'circuit_open', gaveUp: 'final' } })
      expect(outcome).toMatchObject({ error: { cause: expect.any(BreakerOpenError) as unknown } })
    })

    test('runs as the probe when the recovery time is over, and closes the breaker', async () => {
      const subject = await rig()
      await trip(subject)
      await subject.clock.advanceBy(66_001)
      const outcome = await subject.call({ timeoutMs: 1_000 }, ({ probe }) => probe?.attempt)
      expect(outcome).toMatchObject({ status: 'delivered', value: 1, attempts: 1 })
      await subject.clock.advanceBy(100)
      expect(subject.gear.breaker('smtp').state.mode).toBe('closed')
    })
  })

  describe('with a fallback', () => {
    test('gives what it makes of the error, and the letter is written all the same', async () => {
      const subject = await rig()
      const options = { retry: { maxAttempts: 1 }, deadLetter: () => ({ ...draft, id: 'x' }) }
      const outcome = await subject.call({ ...options, fallback: ({ type }) => `instead: ${type}` }, fails)
      expect(outcome).toMatchObject({
        status: 'fallback',
        value: 'instead: connection',
        attempts: 1,
        letterId: 'acme.x',
      })
      expect(outcome).toMatchObject({ error: { cause: broken } })
      expect(await subject.deadLetters.count()).toBe(1)
    })

    test('gives a value that is no function as it is, also behind an open breaker', async () => {
      const subject = await rig()
      await trip(subject)
      const outcome = await subject.call({ fallback: 'cached' }, () => 'sent')
      expect(outcome).toMatchObject({
        status: 'fallback',
        value: 'cached',
        attempts: 0,
        error: { type: 'circuit_open' },
      })
      expect(outcome).not.toHaveProperty('letterId')
    })

    test('counts as none when it fails, and that is logged', async () => {
      for (const fallback of [
        () => {
          throw new Error('no')
        },
        () => Promise.reject(new Error('no')),
      ]) {
        const subject = await rig()
        const { call, logged } = subject
        expect(await call({ retry: { maxAttempts: 1 }, fallback }, fails)).toMatchObject({
          status: 'failed',
          error: { cause: broken },
        })
        expect(await call({ retry: { maxAttempts: 1 }, fallback, deadLetter: () => draft }, fails)).toMatchObject({
          status: 'deadLettered',
        })
        await trip(subject)
        expect(await call({ fallback }, fails)).toMatchObject({ status: 'refused', reason: 'breakerOpen' })
        expect(logged.filter(([, , message]) => message === 'the fallback failed; it counts as none')).toHaveLength(3)
      }
    })

    test('is not asked where the work succeeds, the caller aborts or the own limit refuses', async () => {
      const { call } = await rig({ limiter: limiterThat({ allowed: false }) })
      const fallback = () => expect.unreachable()
      expect(await call({ fallback }, () => 1)).toMatchObject({ status: 'delivered' })
      expect(await call({ fallback, signal: AbortSignal.abort() }, fails)).toMatchObject({ reason: 'aborted' })
      expect(await call({ fallback, limit: { key: 'acme', names: 'email' } }, fails)).toMatchObject({
        reason: 'rateLimited',
      })
    })
  })

  describe('with settings of the instance', () => {
    test('retries as the instance was told, except for what the call says', async () => {
      const { call } = await rig({ retry: { maxAttempts: 2, baseDelayMs: 100, jitter: 'none' } })
      expect(await call({}, fails)).toMatchObject({ attempts: 2, durationMs: 100 })
      expect(await call({ retry: { maxAttempts: 3, baseDelayMs: undefined } }, fails)).toMatchObject({
        attempts: 3,
        durationMs: 300,
      })
    })

    test('says at once that its own retry policy cannot be meant', async () => {
      await expect(rig({ retry: { maxAttempts: 0 } })).rejects.toThrow('safeCall.retry.maxAttempts')
    })
  })

  describe('for those who watch', () => {
    test('publishes every outcome and every letter on its diagnostics channels', async () => {
      const seen: unknown[] = []
      const note = (message: unknown) => void seen.push(message)
      subscribe('switchgear:call', note)
      subscribe('switchgear:letter', note)
      try {
        const { call } = await rig()
        const outcome = await call({ retry: { maxAttempts: 1 }, deadLetter: () => ({ ...draft, id: 'x' }) }, fails)
        expect(seen).toMatchObject([{ id: 'acme.x' }, { breaker: 'smtp', outcome }])
      } finally {
        unsubscribe('switchgear:call', note)
        unsubscribe('switchgear:letter', note)
      }
    })
  })

  test('works as the instance offers it', async () => {
    const { gear } = await rig()
    expect(await gear.safeCall({ breaker: 'smtp' }, () => 'sent')).toMatchObject({ status: 'delivered', value: 'sent' })
  })
})
