import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { BreakerOpenError } from '../../../src/kernel/errors.ts'
import type { ClassifiedError } from '../../../src/kernel/classify.ts'
import { retry } from '../../../src/streams/retry/retry.ts'
import { retryBudget } from '../../../src/streams/retry/retry-budget.ts'
import { planRetry, type RetryNotice, type RetryPolicy } from '../../../src/streams/retry/retry-policy.ts'
import { type Attempt, runWithRetry } from '../../../src/streams/retry/run-with-retry.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { type VirtualClock, virtualClock } from '../../../src/testing/virtual-clock.ts'

/** What a caller without types may hand in. */
const giving = (value: unknown) => () => value as Promise<number>
const throwing = () => {
  throw new Error('at once')
}
const busy = (field: string) => Object.assign(new Error('busy'), { status: 429, headers: { 'Retry-After': field } })
const never = () => new Promise<never>(() => {})

/** A retry on a virtual clock, with the instants at which its attempts started. */
function onVirtualClock(policy: RetryPolicy) {
  const clock = virtualClock()
  const startedAt: number[] = []
  const call = <T>(work: (attempt: Attempt) => Promise<T>): Promise<T> =>
    retry(policy, { clock, random: seededRandom(1) })((attempt) => {
      startedAt.push(clock.now())
      return work(attempt)
    })
  return { clock, startedAt, call }
}

/** Fails with each of the errors in turn, then gives `value`. */
function failing<T>(errors: readonly unknown[], value?: T): () => Promise<T | undefined> {
  const left = [...errors]
  return () => (left.length > 0 ? Promise.reject(left.shift()) : Promise.resolve(value))
}

async function errorOf(clock: VirtualClock, work: Promise<unknown>): Promise<unknown> {
  return clock.runUntil(
    work.then(
      () => expect.unreachable('it should have failed'),
      (error: unknown) => error,
    ),
  )
}

const plain = { jitter: 'none' } as const

describe('retry', () => {
  test('gives what the work gives, and tells it its attempt', async () => {
    const { clock, call, startedAt } = onVirtualClock(plain)
    const errors = [new Error('one'), new Error('two')]
    const numbers: number[] = []
    const value = call(({ number }) => {
      numbers.push(number)
      const error = errors.shift()
      return error === undefined ? Promise.resolve('done') : Promise.reject(error)
    })
    expect(await clock.runUntil(value)).toBe('done')
    expect(numbers).toEqual([1, 2, 3])
    expect(startedAt).toEqual([0, 1_000, 3_000])
  })

  test.each([1, 2, 3, 7])(
    'makes %i attempts and no more, and rejects with the last error, unchanged',
    async (maxAttempts) => {
      const { clock, call, startedAt } = onVirtualClock({ ...plain, maxAttempts })
      const errors = Array.from({ length: 10 }, (_, index) => new Error(`attempt ${index + 1}`))
      expect(await errorOf(clock, call(failing(errors)))).toBe(errors[maxAttempts - 1])
      expect(startedAt).toHaveLength(maxAttempts)
    },
  )

  test('makes three attempts unless told otherwise', async () => {
    const { clock, call, startedAt } = onVirtualClock({})
    await errorOf(
      clock,
      call(() => Promise.reject(new Error('always'))),
    )
    expect(startedAt).toHaveLength(3)
  })

  test('retries work that throws at once, and what is no error', async () => {
    const { clock, call, startedAt } = onVirtualClock({})
    expect(await errorOf(clock, call(throwing))).toMatchObject({ message: 'at once' })
    expect(
      await errorOf(
        clock,
        call(() => Promise.reject(null)),
      ),
    ).toBeNull()
    expect(startedAt).toHaveLength(6)
  })

  test('takes a value that is no promise, and a thenable', async () => {
    const { call } = onVirtualClock({})
    expect(await call(giving(7))).toBe(7)
    expect(await call(giving({ then: (resolve: (value: number) => void) => resolve(8) }))).toBe(8)
  })

  test('can be used for many calls at once', async () => {
    const { clock, call } = onVirtualClock({ ...plain, maxAttempts: 4 })
    const calls = [0, 1, 2, 3].map((failures) =>
      call(
        failing(
          Array.from({ length: failures }, () => new Error('x')),
          failures,
        ),
      ),
    )
    expect(await clock.runUntil(Promise.all(calls))).toEqual([0, 1, 2, 3])
    expect(clock.now()).toBe(7_000)
  })

  test('does not retry an error that is final', async () => {
    const { clock, call, startedAt } = onVirtualClock({})
    const rejected = Object.assign(new Error('no such user'), { status: 404 })
    expect(
      await errorOf(
        clock,
        call(() => Promise.reject(rejected)),
      ),
    ).toBe(rejected)
    expect(startedAt).toEqual([0])
  })

  test('does not retry the refusal of an open breaker, whatever the classifier says', async () => {
    const open = new BreakerOpenError({ breaker: 'smtp', mode: 'open', retryAfterMs: 10, retryAt: 10, because: '' })
    const { clock, call, startedAt } = onVirtualClock({ classify: () => ({ type: 'unknown', retryable: true }) })
    expect(
      await errorOf(
        clock,
        call(() => Promise.reject(open)),
      ),
    ).toBe(open)
    expect(startedAt).toEqual([0])
  })

  test('asks the classifier of the policy', async () => {
    const { clock, call, startedAt } = onVirtualClock({
      ...plain,
      classify: (error) => (error === 'stop' ? { retryable: false } : { retryAfterMs: 5_000 }),
    })
    expect(await errorOf(clock, call(failing(['go on', 'stop', 'never'])))).toBe('stop')
    expect(startedAt).toEqual([0, 5_000])
  })

  test('rejects with what was thrown, also when that looks like an error that was classified', async () => {
    const { clock, call } = onVirtualClock({})
    const lookalike: ClassifiedError = {
      type: 'rejected',
      retryable: false,
      name: 'n',
      message: 'm',
      cause: new Error('inner'),
    }
    expect(
      await errorOf(
        clock,
        call(() => Promise.reject(lookalike)),
      ),
    ).toBe(lookalike)
  })
})

describe('Retry-After', () => {
  test('is waited for', async () => {
    const { clock, call, startedAt } = onVirtualClock(plain)
    await clock.runUntil(call(failing([busy('20'), busy('0')])))
    expect(startedAt).toEqual([0, 20_000, 22_000])
  })

  test('may be a date', async () => {
    const { clock, call, startedAt } = onVirtualClock(plain)
    await clock.runUntil(call(failing([busy(new Date(30_000).toUTCString())])))
    expect(startedAt).toEqual([0, 30_000])
  })

  test('waits no longer than maxDelayMs', async () => {
    const { clock, call, startedAt } = onVirtualClock({ ...plain, maxDelayMs: 5_000 })
    await clock.runUntil(call(failing([busy('3600')])))
    expect(startedAt).toEqual([0, 5_000])
  })

  test('is passed over when it cannot be meant', async () => {
    const { clock, call, startedAt } = onVirtualClock(plain)
    await clock.runUntil(call(failing([busy('tomorrow')])))
    expect(startedAt).toEqual([0, 1_000])
  })
})

describe('the deadline', () => {
  test('lets no attempt start at it or after it, and does not wait in vain', async () => {
    const late = new Error('late')
    for (const [deadlineMs, attempts] of [
      [1_000, 1],
      [1_001, 2],
      [3_000, 2],
      [3_001, 3],
    ] as const) {
      const { clock, call, startedAt } = onVirtualClock({ ...plain, deadlineMs })
      expect(
        await errorOf(
          clock,
          call(() => Promise.reject(late)),
        ),
      ).toBe(late)
      expect(startedAt).toHaveLength(attempts)
      expect(clock.now()).toBe(startedAt.at(-1))
      expect(clock.pendingTimers).toBe(0)
    }
  })

  test('ends an attempt that hangs, with a TimeoutError when there was no error before', async () => {
    const { clock, call } = onVirtualClock({ deadlineMs: 2_500 })
    let signal: AbortSignal | undefined
    const error = await errorOf(
      clock,
      call((attempt) => {
        signal = attempt.signal
        return never()
      }),
    )
    expect(error).toMatchObject({ code: 'SWITCHGEAR_TIMEOUT', timeoutMs: 2_500 })
    expect(error).toHaveProperty('message', 'the call, with its retries, did not finish within 2500 ms')
    expect(signal?.reason).toBe(error)
    expect(clock.now()).toBe(2_500)
  })

  test('ends a later attempt that hangs with the error of the work before', async () => {
    const { clock, call } = onVirtualClock({ ...plain, deadlineMs: 2_500 })
    const first = new Error('first')
    const error = await errorOf(
      clock,
      call(({ number }) => (number === 1 ? Promise.reject(first) : never())),
    )
    expect(error).toBe(first)
    expect(clock.now()).toBe(2_500)
  })

  test('takes late results for nothing, and leaves no rejection unhandled', async () => {
    const { clock, call } = onVirtualClock({ deadlineMs: 100 })
    const work = async () => {
      await clock.sleep(200)
      throw new Error('too late')
    }
    expect(await errorOf(clock, call(work))).toMatchObject({ code: 'SWITCHGEAR_TIMEOUT' })
    await clock.advanceBy(1_000)
    expect(clock.pendingTimers).toBe(0)
  })

  test('leaves no timer behind when the work succeeds', async () => {
    const { clock, call } = onVirtualClock({ deadlineMs: 100 })
    expect(await call(() => Promise.resolve(1))).toBe(1)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('an abort', () => {
  const reason = new Error('shutting down')

  test('before the call: no attempt', async () => {
    const { clock, call, startedAt } = onVirtualClock({ signal: AbortSignal.abort(reason) })
    expect(
      await errorOf(
        clock,
        call(() => Promise.resolve(1)),
      ),
    ).toBe(reason)
    expect(startedAt).toEqual([])
  })

  test('during a wait: no further attempt, at once, with no timer and no listener left', async () => {
    const controller = new AbortController()
    const { clock, call, startedAt } = onVirtualClock({ ...plain, signal: controller.signal })
    const error = call(() => Promise.reject(new Error('x'))).catch((thrown: unknown) => thrown)
    await clock.advanceBy(500)
    expect(clock.pendingTimers).toBe(1)
    controller.abort(reason)
    expect(await error).toBe(reason)
    expect(clock.pendingTimers).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    expect(startedAt).toEqual([0])
  })

  test('during an attempt: its signal aborts, and the call ends though the work goes on', async () => {
    const controller = new AbortController()
    const { clock, call } = onVirtualClock({ signal: controller.signal })
    let seen: AbortSignal | undefined
    const error = call((attempt) => {
      seen = attempt.signal
      return never()
    }).catch((thrown: unknown) => thrown)
    await clock.settle()
    controller.abort(reason)
    expect(await error).toBe(reason)
    expect(seen?.reason).toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  test('after success, nothing is left to abort', async () => {
    const controller = new AbortController()
    const { call } = onVirtualClock({ signal: controller.signal, deadlineMs: 100 })
    let seen: AbortSignal | undefined
    await call(async (attempt) => {
      seen = attempt.signal
    })
    controller.abort(reason)
    expect(seen?.aborted).toBe(false)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  test('by the work itself is final', async () => {
    const { clock, call, startedAt } = onVirtualClock({})
    await errorOf(
      clock,
      call(() => Promise.reject(new DOMException('stopped', 'AbortError'))),
    )
    expect(startedAt).toEqual([0])
  })
})

describe('the budget', () => {
  test('is shared, counts every call once, and ends retries when it is used up', async () => {
    const clock = virtualClock()
    const budget = retryBudget({ ratio: 0.5, minPerSecond: 0, windowMs: 60_000 }, { clock })
    const policy = { ...plain, baseDelayMs: 1, budget, maxAttempts: 10, clock }
    let attempts = 0
    const work = () => {
      attempts += 1
      return Promise.reject(new Error('down'))
    }
    const calls = Array.from({ length: 10 }, (_, index) =>
      retry(index % 2 === 0 ? policy : { ...policy, deadlineMs: 50_000 })(work),
    )
    await clock.runUntil(Promise.allSettled(calls))
    expect(attempts).toBe(15)
    expect(budget.counts()).toMatchObject({ calls: 10, retries: 5 })
  })

  test('is not spent on what is not retried', async () => {
    const clock = virtualClock()
    const budget = retryBudget({ minPerSecond: 1, clock })
    const call = retry({ budget, clock, maxAttempts: 1 })
    await errorOf(
      clock,
      call(() => Promise.reject(new Error('x'))),
    )
    await errorOf(
      clock,
      retry({ budget, clock, deadlineMs: 10 })(() => Promise.reject(new Error('x'))),
    )
    expect(budget.counts()).toEqual({ calls: 2, retries: 0, refused: 0 })
  })
})

describe('who listens', () => {
  const seen: unknown[] = []
  const hear = (message: unknown) => seen.push(message)
  afterEach(() => {
    unsubscribe('switchgear:retry', hear)
    seen.length = 0
  })

  test('hears of every retry, by hook and by channel', async () => {
    subscribe('switchgear:retry', hear)
    const notices: RetryNotice[] = []
    const { clock, call } = onVirtualClock({ ...plain, onRetry: (notice) => notices.push(notice) })
    await clock.runUntil(call(failing([new Error('one'), new Error('two')])))
    expect(notices).toMatchObject([
      { attempt: 1, delayMs: 1_000, error: { message: 'one' } },
      { attempt: 2, delayMs: 2_000, error: { message: 'two' } },
    ])
    expect(seen).toEqual(notices)
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('hook')
      },
    ],
    ['rejects', () => Promise.reject(new Error('hook'))],
  ])('changes nothing when it %s', async (_what, onRetry) => {
    const { clock, call } = onVirtualClock({ onRetry })
    expect(await clock.runUntil(call(failing([new Error('x')], 'done')))).toBe('done')
  })
})

describe('what a call costs', () => {
  test('is no timer and no controller when the first attempt succeeds', async () => {
    const { clock, call } = onVirtualClock({})
    const setTimer = vi.spyOn(clock, 'setTimeout')
    const made = vi.spyOn(globalThis, 'AbortController')
    await call(() => Promise.resolve(1))
    expect(setTimer).not.toHaveBeenCalled()
    expect(made).not.toHaveBeenCalled()
    made.mockRestore()
  })

  test('gives the same signal whenever it is read', async () => {
    await onVirtualClock({}).call(async (attempt) => {
      expect(attempt.signal).toBe(attempt.signal)
      expect(attempt.signal.aborted).toBe(false)
    })
  })
})

function run(policy: RetryPolicy, work: (attempt: Attempt) => Promise<unknown>, signal?: AbortSignal) {
  const clock = virtualClock()
  return clock.runUntil(runWithRetry(planRetry({ ...plain, ...policy }, { clock }), work, { signal }))
}

describe('runWithRetry', () => {
  test('says after how many attempts it succeeded, and which failed before', async () => {
    expect(await run({}, failing([new Error('one')], 'value'))).toMatchObject({
      ok: true,
      value: 'value',
      attempts: 2,
      attemptErrors: [{ at: 0, error: { message: 'one' } }],
    })
  })

  test.each<[string, RetryPolicy, unknown]>([
    ['attempts', {}, new Error('x')],
    ['attempts', { maxAttempts: 1 }, new Error('x')],
    ['final', {}, { status: 404 }],
    ['final', { maxAttempts: 1 }, { status: 404 }],
    ['deadline', { deadlineMs: 900 }, new Error('x')],
    ['budget', { budget: retryBudget({ ratio: 0, minPerSecond: 0 }) }, new Error('x')],
  ])('says that it gave up for %s', async (gaveUp, policy, error) => {
    const result = await run(policy, () => Promise.reject(error))
    expect(result).toMatchObject({ ok: false, aborted: false, thrown: error, error: { gaveUp, cause: error } })
  })

  test('says that a first attempt which hung gave up for the deadline', async () => {
    expect(await run({ deadlineMs: 100 }, never)).toMatchObject({
      ok: false,
      error: { type: 'timeout', gaveUp: 'deadline' },
      attempts: 1,
      attemptErrors: [{ at: 100, error: { type: 'timeout' } }],
    })
  })

  test('says that the caller aborted, by either signal', async () => {
    const signal = AbortSignal.abort('enough')
    const other = new AbortController().signal
    for (const [own, given] of [
      [signal, undefined],
      [undefined, signal],
      [signal, other],
      [other, signal],
    ] as const) {
      const result = await run({ signal: own }, () => Promise.resolve(1), given)
      expect(result).toMatchObject({
        ok: false,
        aborted: true,
        thrown: 'enough',
        attempts: 0,
        error: { retryable: false },
      })
      expect(result).not.toHaveProperty('error.gaveUp')
    }
  })

  test('listens to two signals for as long as the call lasts', async () => {
    for (const index of [0, 1]) {
      const controllers = [new AbortController(), new AbortController()]
      const [one, other] = controllers.map(({ signal }) => signal)
      const clock = virtualClock()
      const pending = runWithRetry(planRetry({ signal: one }, { clock }), never, { signal: other })
      await clock.settle()
      controllers[index]?.abort('enough')
      expect(await pending).toMatchObject({ aborted: true, thrown: 'enough' })
      for (const { signal } of controllers) expect(getEventListeners(signal, 'abort')).toEqual([])
    }
  })

  test('keeps the newest hundred errors of a call that fails for ever', async () => {
    const result = await run({ maxAttempts: 250, baseDelayMs: 1, multiplier: 1 }, ({ number }) =>
      Promise.reject(new Error(`${number}`)),
    )
    expect(result.attempts).toBe(250)
    expect(result.attemptErrors.map(({ error }) => error.message)).toEqual(
      Array.from({ length: 100 }, (_, index) => `${index + 151}`),
    )
  })

  test('gives a value, too, when the budget throws', async () => {
    const fault = new Error('broken budget')
    const broken = () => {
      throw fault
    }
    const budget = { recordCall: () => {}, tryRetry: broken, counts: broken }
    expect(await run({ budget }, () => Promise.reject(new Error('x')))).toMatchObject({
      ok: false,
      thrown: fault,
      attempts: 1,
    })
    expect(await run({ budget: { ...budget, recordCall: broken } }, () => Promise.resolve(1))).toMatchObject({
      ok: false,
    })
  })
})

describe('a policy', () => {
  test.each<[object, string]>([
    [{ maxAttempts: 0 }, 'retry.maxAttempts'],
    [{ maxAttempts: 1.5 }, 'retry.maxAttempts'],
    [{ maxAttempts: Infinity }, 'retry.maxAttempts'],
    [{ deadlineMs: -1 }, 'retry.deadlineMs'],
    [{ baseDelayMs: '1' }, 'retry.baseDelayMs'],
    [{ jitter: 'much' }, 'retry.jitter'],
    [{ budget: {} }, 'retry.budget'],
    [{ classify: true }, 'retry.classify'],
    [{ signal: {} }, 'retry.signal'],
    [{ onRetry: 1 }, 'retry.onRetry'],
    [{ clock: { now: 1 } }, 'retry.clock'],
    [{ attempts: 3 }, 'retry.attempts'],
  ])('%j is refused', (policy, path) => {
    expect(() => retry(policy)).toThrow(expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path }))
  })

  test.each<[object, string]>([
    [{ budget: { recordCall: () => {} } }, 'expected a retryBudget'],
    [{ signal: {} }, 'expected an AbortSignal'],
    [{ classify: 1 }, 'expected a function'],
  ])('%j is refused by what it should be', (policy, rule) => {
    expect(() => retry(policy)).toThrow(rule)
  })

  test('may hold the clock and the chance itself', async () => {
    const clock = virtualClock()
    const call = retry({ clock, random: { next: () => 0 } })
    await clock.runUntil(call(failing([new Error('x')])))
    expect(clock.now()).toBeCloseTo(900)
  })

  test('on the clock of the process works as well', async () => {
    expect(await retry({ baseDelayMs: 1 })(failing([new Error('x')], 'done'))).toBe('done')
  })
})
