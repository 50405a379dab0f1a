import { describe, expect, test } from 'vitest'
import { TimeoutError } from '../../../src/kernel/errors.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import { retry } from '../../../src/streams/retry/retry.ts'
import { retryBudget } from '../../../src/streams/retry/retry-budget.ts'
import { planRetry, type RetryPolicy } from '../../../src/streams/retry/retry-policy.ts'
import { type RetryResult, type RetryWork, runWithRetry } from '../../../src/streams/retry/run-with-retry.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

const down = new Error('down')
const fails = (): Promise<never> => Promise.reject(down)
const never = (): Promise<never> => new Promise(() => {})
const plain = { jitter: 'none' } as const

/** A call on a virtual clock, some of which is as the test says. */
async function run<T>(
  policy: RetryPolicy,
  work: RetryWork<T>,
  own: (clock: Clock) => Partial<Clock> = () => ({}),
): Promise<RetryResult<T>> {
  const clock = virtualClock()
  const plan = planRetry({ ...plain, ...policy }, { clock: { ...bound(clock), ...own(clock) } })
  return clock.runUntil(runWithRetry(plan, work))
}

function bound(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    setTimeout: (...timer) => clock.setTimeout(...timer),
    clearTimeout: (timer) => clock.clearTimeout(timer),
    sleep: (...wait) => clock.sleep(...wait),
  }
}

describe('a wait that lasts longer than it was to', () => {
  test.each([
    ['until the deadline', 1_500, 1],
    ['until just before the deadline', 1_499, 2],
  ])('%s is the end of the call, or not', async (_what, sleptMs, attempts) => {
    const result = await run({ deadlineMs: 1_500, maxAttempts: 2 }, fails, (clock) => ({
      sleep: () => clock.sleep(sleptMs),
    }))
    expect(result).toMatchObject({ ok: false, attempts, thrown: down, aborted: false })
    expect(result).toMatchObject({ error: { gaveUp: attempts === 1 ? 'deadline' : 'attempts', message: 'down' } })
  })

  test('and after which the caller has aborted is the end by the caller', async () => {
    const controller = new AbortController()
    const result = await run({ deadlineMs: 1_500, signal: controller.signal }, fails, (clock) => ({
      async sleep() {
        await clock.sleep(2_000)
        controller.abort('enough')
      },
    }))
    expect(result).toMatchObject({ ok: false, attempts: 1, thrown: 'enough', aborted: true })
  })
})

describe('what no work has thrown', () => {
  const fault = new Error('broken')

  test('ends the call as it is, when the clock throws', async () => {
    const sleep = (): Promise<never> => Promise.reject(fault)
    for (const policy of [{}, { signal: new AbortController().signal }])
      expect(await run(policy, fails, () => ({ sleep }))).toMatchObject({
        ok: false,
        thrown: fault,
        aborted: false,
        attempts: 1,
        error: { message: 'broken' },
      })
  })

  test.each<RetryPolicy>([{}, { deadlineMs: 60_000 }])('rejects, when the budget of %j throws', async (policy) => {
    const broken = (): never => {
      throw fault
    }
    const budget = { recordCall: () => {}, tryRetry: broken, counts: broken }
    await expect(retry({ ...policy, budget })(fails)).rejects.toBe(fault)
  })
})

describe('a call that is aborted', () => {
  test('before it begins is no call for the budget', async () => {
    const budget = retryBudget({}, { clock: virtualClock() })
    await run({ budget, signal: AbortSignal.abort('enough') }, fails)
    expect(budget.counts()).toMatchObject({ calls: 0 })
    await run({ budget, deadlineMs: 10 }, fails)
    expect(budget.counts()).toMatchObject({ calls: 1 })
  })

  test('while it is tried tells nobody of a retry, and spends none', async () => {
    const budget = retryBudget({}, { clock: virtualClock() })
    const controller = new AbortController()
    const onRetry = (): never => expect.unreachable()
    const result = await run({ budget, onRetry, signal: controller.signal }, () => {
      queueMicrotask(() => controller.abort('enough'))
      return never()
    })
    expect(result).toMatchObject({ aborted: true, thrown: 'enough', attemptErrors: [] })
    expect(budget.counts()).toMatchObject({ retries: 0 })
  })

  test('while it waits ends by that, and not by what the wait throws', async () => {
    const controller = new AbortController()
    const result = await run(
      { signal: controller.signal, onRetry: () => queueMicrotask(() => controller.abort(down)) },
      fails,
    )
    expect(result).toMatchObject({ aborted: true, thrown: down, attempts: 1 })
  })

  test('with the error of another deadline ends by that, and not by its own', async () => {
    const reason = new TimeoutError('the whole job', 5)
    const controller = new AbortController()
    const result = await run({ deadlineMs: 1_000, signal: controller.signal }, () => {
      queueMicrotask(() => controller.abort(reason))
      return never()
    })
    expect(result).toMatchObject({ aborted: true, thrown: reason, attemptErrors: [] })
  })
})

test('a call without a deadline has no timer while it is tried, also when it can be aborted', async () => {
  const clock = virtualClock()
  const plan = planRetry({ signal: new AbortController().signal }, { clock })
  expect(await runWithRetry(plan, () => clock.pendingTimers)).toMatchObject({ ok: true, value: 0 })
})
