import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { TimeoutError } from '../../src/kernel/errors.ts'
import { withTimeout } from '../../src/kernel/timeout.ts'
import { systemClock, type Timer } from '../../src/ports/clock.ts'

const clock = systemClock
const what = 'a call'
const never = () => new Promise<never>(() => {})

describe('withTimeout', () => {
  test('gives what the work gives, at once or later', async () => {
    expect(await withTimeout(() => 1, { clock, timeoutMs: 5_000, what })).toBe(1)
    expect(await withTimeout(async () => 2, { clock, timeoutMs: 5_000, what })).toBe(2)
    expect(await withTimeout(async () => 3, { clock, what })).toBe(3)
  })

  test('rejects with what the work throws or rejects with, null included', async () => {
    const thrown = new Error('thrown')
    await expect(
      withTimeout(
        () => {
          throw thrown
        },
        { clock, what },
      ),
    ).rejects.toBe(thrown)
    await expect(withTimeout(() => Promise.reject(null), { clock, timeoutMs: 5_000, what })).rejects.toBe(null)
  })

  test('rejects at the timeout also when the work ignores its signal', async () => {
    const error: unknown = await withTimeout(never, { clock, timeoutMs: 5, what }).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toMatchObject({ timeoutMs: 5, message: 'a call did not finish within 5 ms', retryable: true })
    expect((error as TimeoutError).lateMs).toBeGreaterThanOrEqual(0)
  })

  test('says how late its timer came when the event loop was blocked', async () => {
    const late = withTimeout(never, { clock, timeoutMs: 5, what }).catch((e: unknown) => e)
    const until = clock.monotonic() + 60
    while (clock.monotonic() < until);
    expect(((await late) as TimeoutError).lateMs).toBeGreaterThanOrEqual(50)
  })

  test('aborts the signal of the work at the timeout, with the error it rejects with', async () => {
    const seen: unknown[] = []
    const work = ({ signal }: { signal: AbortSignal }) =>
      new Promise<never>(() => signal.addEventListener('abort', () => seen.push(signal.reason)))
    const error: unknown = await withTimeout(work, { clock, timeoutMs: 5, what }).catch((e: unknown) => e)
    expect(seen).toEqual([error])
  })

  test('a signal that is first read after the timeout is aborted already', async () => {
    const calls: { readonly signal: AbortSignal }[] = []
    const work = (call: { readonly signal: AbortSignal }) => {
      calls.push(call)
      return never()
    }
    await withTimeout(work, { clock, timeoutMs: 5, what }).catch(() => {})
    expect(calls[0]?.signal.aborted).toBe(true)
  })

  test('rejects at once with the reason of the caller who aborts, and aborts the work', async () => {
    const caller = new AbortController()
    let inner: AbortSignal | undefined
    const call = withTimeout(
      ({ signal }) => {
        inner = signal
        return never()
      },
      {
        clock,
        timeoutMs: 5_000,
        signal: caller.signal,
        what,
      },
    )
    caller.abort('enough')
    await expect(call).rejects.toBe('enough')
    expect(inner?.reason).toBe('enough')
  })

  test('does not start the work when the caller has aborted already', async () => {
    let started = false
    const call = withTimeout(
      () => {
        started = true
      },
      { clock, signal: AbortSignal.abort('before'), what },
    )
    await expect(call).rejects.toBe('before')
    expect(started).toBe(false)
  })

  test('leaves no listener behind, however it ends', async () => {
    const { signal } = new AbortController()
    await withTimeout(() => 1, { clock, timeoutMs: 5_000, signal, what })
    await withTimeout(() => Promise.reject(new Error('no')), { clock, timeoutMs: 5_000, signal, what }).catch(() => {})
    await withTimeout(never, { clock, timeoutMs: 5, signal, what }).catch(() => {})
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('leaves no timer behind, however it ends', async () => {
    const running = new Set<unknown>()
    const counting = {
      monotonic: clock.monotonic,
      setTimeout: (run: () => void, delayMs: number) => {
        const timer = clock.setTimeout(() => {
          running.delete(timer)
          run()
        }, delayMs)
        running.add(timer)
        return timer
      },
      clearTimeout: (timer: ReturnType<typeof clock.setTimeout>) => {
        running.delete(timer)
        clock.clearTimeout(timer)
      },
    }
    await withTimeout(() => 1, { clock: counting, timeoutMs: 5_000, what })
    await withTimeout(() => Promise.reject(new Error('no')), { clock: counting, timeoutMs: 5_000, what }).catch(
      () => {},
    )
    await withTimeout(never, { clock: counting, timeoutMs: 5, what }).catch(() => {})
    expect(running.size).toBe(0)
  })

  test('ignores what the work does after the timeout, its late rejection too', async () => {
    let fail: ((error: unknown) => void) | undefined
    const error: unknown = await withTimeout(() => new Promise<never>((_, reject) => (fail = reject)), {
      clock,
      timeoutMs: 5,
      what,
    }).catch((e: unknown) => e)
    fail?.(new Error('late'))
    await new Promise(setImmediate)
    expect(error).toBeInstanceOf(TimeoutError)
  })

  test('takes the first of several callbacks of a thenable, and a throwing `then` as a rejection', async () => {
    const twice = {
      then: (resolve: (v: string) => void, reject: (e: unknown) => void) => {
        resolve('first')
        reject('second')
      },
    }
    expect(await withTimeout<unknown, Timer>(() => twice, { clock, timeoutMs: 5_000, what })).toBe('first')
    const hostile = Object.defineProperty({}, 'then', {
      get: () => {
        throw new Error('hostile')
      },
    })
    await expect(withTimeout(() => hostile, { clock, timeoutMs: 5_000, what })).rejects.toThrow('hostile')
  })
})
