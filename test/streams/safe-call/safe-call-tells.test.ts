import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, describe, expect, test } from 'vitest'
import { ClosedError, OverCapacityError } from '../../../src/kernel/errors.ts'
import { memoryDeadLetters } from '../../../src/factories/memory-dead-letters.ts'
import { retryBudget } from '../../../src/streams/retry/retry-budget.ts'
import type { SafeCallOptions } from '../../../src/streams/safe-call/safe-call-options.ts'
import { broken, draft, fails, limiterThat, never, rig, trip } from './safe-call-rig.ts'

const once = { maxAttempts: 1 }
const limit = { key: 'acme', names: 'email' }

describe('what safeCall logs', () => {
  test('of a call that failed for good is the breaker, the error, and how long it took', async () => {
    const { call, logged } = await rig()
    await call({ retry: { maxAttempts: 2, jitter: 'none' } }, fails)
    expect(logged).toEqual([
      [
        'warn',
        {
          breaker: 'smtp',
          error: expect.objectContaining({ type: 'connection' }) as unknown,
          attempts: 2,
          durationMs: 1_000,
        },
        'a call failed for good',
      ],
    ])
  })

  test('of a fallback that failed is what it threw', async () => {
    const { call, logged } = await rig()
    const error = new Error('of the fallback')
    await call({ retry: once, fallback: () => Promise.reject(error) }, fails)
    expect(logged[0]).toEqual(['warn', { err: error, breaker: 'smtp' }, 'the fallback failed; it counts as none'])
  })

  test('of a limiter that broke is what was asked, and what it said', async () => {
    const check = async (): Promise<never> => ({}) as never
    const { call, logged } = await rig({ limiter: { ...limiterThat({}), check } })
    await call({ limit }, () => 'sent')
    const err = new TypeError('the limiter gave no decision')
    expect(logged).toEqual([['warn', { err, breaker: 'smtp', limit }, 'the limiter failed; the call goes on']])
  })

  test('of a limiter that hangs while the caller aborts is nothing', async () => {
    const { safeCall, logged } = await rig({ limiter: { ...limiterThat({}), check: never } })
    const caller = new AbortController()
    const call = safeCall({ breaker: 'smtp', limit, signal: caller.signal }, () => 'sent')
    caller.abort()
    await call
    expect(logged).toEqual([])
  })
})

describe('what safeCall publishes', () => {
  const heard: unknown[] = []
  const hear = (message: unknown): void => void heard.push(message)
  afterEach(() => {
    unsubscribe('switchgear:call', hear)
    heard.length = 0
  })

  test('says which breaker refused, or who did instead', async () => {
    const open = await rig()
    await trip(open)
    const closing = await rig({ isClosing: () => true })
    subscribe('switchgear:call', hear)
    await open.call({}, () => 'sent')
    await open.call({ signal: AbortSignal.abort() }, () => 'sent')
    await closing.call({}, () => 'sent')
    await open.call({ timeoutMs: 0 }, () => 'sent')
    expect(heard).toMatchObject([
      { breaker: 'smtp', outcome: { reason: 'breakerOpen' } },
      { breaker: 'smtp', outcome: { reason: 'aborted' } },
      { breaker: 'smtp', outcome: { reason: 'closing' } },
      { breaker: undefined, outcome: { status: 'failed' } },
    ])
  })
})

test('whoever closes the instance hears of each call that is not refused at the door', async () => {
  const tracked: unknown[] = []
  const subject = await rig({ track: (call) => void tracked.push(call) })
  const call = subject.safeCall({ breaker: 'smtp' }, () => 'sent')
  expect(tracked).toEqual([call])
  await call
  await trip(subject)
  await subject.call({}, () => 'sent')
  await subject.call({ signal: AbortSignal.abort() }, () => 'sent')
  expect(tracked).toHaveLength(1)
})

describe('bad options', () => {
  test.each<[options: unknown, work: unknown, rule: string]>([
    [{ breaker: 'smtp', retry: 3 }, never, 'expected an object (given: 3)'],
    [{ breaker: 'smtp', retry: null }, never, 'expected an object (given: null)'],
    [{ breaker: 'smtp', limit: { key: 'acme' } }, never, 'expected names'],
    [{ breaker: 'smtp', limit: { key: 1, names: 'email' } }, never, 'safeCall.limit.key'],
    [{ breaker: 'smtp', limit: { ...limit, name: 1 } }, never, 'safeCall.limit.name'],
    [{ breaker: 'smtp', signal: {} }, never, 'expected an AbortSignal'],
    [{ breaker: 'smtp', deadLetter: 1 }, never, 'expected a function'],
    [{ breaker: 'smtp', timeoutMs: 2 ** 31 }, never, 'safeCall.timeoutMs'],
    [{ breaker: undefined }, never, 'safeCall.breaker'],
    [{ breaker: 'smtp' }, 'send', 'expected a function (given: "send")'],
    [{ breaker: 'smtp', limit }, never, 'there is no limiter; give one to createSwitchgear'],
  ])('%j fail by the rule (%#)', async (options, work, rule) => {
    const { safeCall } = await rig()
    const outcome = await safeCall(options as SafeCallOptions<unknown>, work as () => unknown)
    expect(outcome).toMatchObject({ status: 'failed', error: { name: 'ConfigError' } })
    expect(outcome).toHaveProperty('error.message', expect.stringContaining(rule) as unknown)
  })

  test('that throw as they are read fail by that, with what they threw as the cause', async () => {
    const { safeCall } = await rig()
    const options = {
      get breaker(): string {
        throw broken
      },
    }
    const outcome = await safeCall(options, () => 'sent')
    expect(outcome).toMatchObject({ status: 'failed', error: { cause: { path: 'safeCall', cause: broken } } })
    expect(outcome).toHaveProperty('error.message', expect.stringContaining('the options cannot be read') as unknown)
  })

  test.each([0.5, 1, 86_400_000, 86_400_001, 2 ** 31 - 1])(
    'are not those with a timeout of %d ms',
    async (timeoutMs) => {
      const { call } = await rig()
      expect(await call({ timeoutMs }, () => 'sent')).toMatchObject({ status: 'delivered' })
    },
  )
})

describe('good options', () => {
  test.each<Partial<SafeCallOptions<unknown>>>([
    {},
    { retry: once },
    { retry: undefined, timeoutMs: undefined, deadLetter: undefined, fallback: undefined, signal: undefined },
    { timeoutMs: 1 },
    { timeoutMs: 86_400_000 },
    { deadLetter: () => draft },
    { fallback: 'instead' },
    { signal: new AbortController().signal },
  ])('%j are read once, and not asked about twice', async (options) => {
    const { safeCall } = await rig()
    const reads: string[] = []
    const watched = new Proxy(
      { breaker: 'smtp', ...options },
      {
        get(target, key) {
          if (typeof key === 'string') reads.push(key)
          return Reflect.get(target, key) as unknown
        },
      },
    )
    expect(await safeCall<unknown>(watched, () => 'sent')).toMatchObject({ status: 'delivered' })
    expect(reads).toEqual(['breaker', ...Object.keys(options)])
  })
})

test('work without a bound has no timer, and what it is told of its call is the breaker’s word', async () => {
  const { call, clock } = await rig()
  const look = (given: object) => [clock.pendingTimers, 'probe' in given]
  expect(await call({}, look)).toMatchObject({ value: [0, false] })
  expect(await call({ timeoutMs: 100 }, look)).toMatchObject({ value: [1, false] })
})

describe('a policy of the call', () => {
  test('is read once, however often it is used', async () => {
    const { call } = await rig()
    let reads = 0
    const retry = {
      get maxAttempts() {
        reads += 1
        return 1
      },
    }
    await call({ retry }, fails)
    const readsOfOne = reads
    expect(readsOfOne).toBeGreaterThan(0)
    expect(await call({ retry }, fails)).toMatchObject({ attempts: 1 })
    expect(reads).toBe(readsOfOne)
  })

  test('says how long the call may take, before the instance does', async () => {
    const { call } = await rig({ deadlineMs: 1_200 })
    expect(await call({ retry: { deadlineMs: 300 } }, never)).toMatchObject({ status: 'failed', durationMs: 300 })
  })

  test('has a budget in which the call counts', async () => {
    const { call, clock } = await rig()
    const budget = retryBudget({}, { clock })
    await call({ retry: { budget } }, () => 'sent')
    await call({ retry: { budget, deadlineMs: 1_000 } }, () => 'sent')
    expect(budget.counts()).toMatchObject({ calls: 2, retries: 0 })
  })

  test('has a signal that ends the call as the caller’s own does', async () => {
    const { safeCall, clock } = await rig()
    const policy = new AbortController()
    let inner: AbortSignal | undefined
    const call = safeCall({ breaker: 'smtp', retry: { signal: policy.signal } }, ({ signal }) => {
      inner = signal
      return never()
    })
    await clock.settle()
    policy.abort('enough')
    expect(await call).toEqual({ status: 'refused', reason: 'aborted' })
    expect(inner?.reason).toBe('enough')
  })
})

test('a limit that does not say when to come back is passed on as that', async () => {
  const { call } = await rig({ limiter: limiterThat({ allowed: false, retryAfterMs: undefined as never }) })
  const outcome = await call({ limit }, () => 'sent')
  expect(outcome).toMatchObject({ status: 'refused', reason: 'rateLimited' })
  expect(outcome).not.toHaveProperty('retryAfterMs')
})

test('behind an open breaker a letter that cannot be written makes the call failed', async () => {
  const deadLetters = { ...memoryDeadLetters(), enqueue: () => Promise.reject(broken) }
  const subject = await rig({ deadLetters })
  await trip(subject)
  expect(await subject.call({ deadLetter: () => draft }, () => 'sent')).toMatchObject({
    status: 'failed',
    attempts: 0,
    error: { type: 'circuit_open' },
  })
})

test('nothing is given back that nobody booked', async () => {
  const asked: unknown[] = []
  const subject = await rig({ limiter: limiterThat({}, asked) })
  await trip(subject)
  expect(await subject.call({ deadLetter: () => draft }, () => 'sent')).toMatchObject({ status: 'deadLettered' })
  expect(asked).toEqual([])
})

test.each([
  [new ClosedError('breaker "smtp"'), 'closing'],
  [new OverCapacityError('breakers', 'breakersMax', 1), 'overCapacity'],
])('a breaker that says %s before the work begins makes it %s', async (error, reason) => {
  const breaker = { name: 'smtp', run: () => Promise.reject(error), refusedForMs: () => undefined }
  const { call } = await rig({ breakerOf: () => breaker })
  expect(await call({ deadLetter: () => draft }, () => 'sent')).toEqual({ status: 'refused', reason })
})

test('a breaker that opens between attempts ends the call with what the work said last', async () => {
  const subject = await rig({}, { breakers: { smtp: { failureThreshold: 3 } } })
  let calls = 0
  const outcome = await subject.call({ retry: { maxAttempts: 5, jitter: 'none' } }, () =>
    Promise.reject(new Error(`attempt ${(calls += 1)}`)),
  )
  expect(outcome).toMatchObject({ status: 'failed', attempts: 3, error: { message: 'attempt 3', gaveUp: 'final' } })
})

test('a limit without a limiter is refused by its path', async () => {
  const { call } = await rig()
  expect(await call({ limit }, () => 'sent')).toMatchObject({ error: { cause: { path: 'safeCall.limit' } } })
})
