import { getEventListeners } from 'node:events'
import { BreakerOpenError, TimeoutError, type BreakerOptions } from 'switchgear'
import { describe, expect, test } from 'vitest'
import { fail, hang, nth, fleetOf, oneInstance, ok } from './fleet-of.ts'
import { ownFault, play } from './play.ts'

const once = { failureThreshold: 1, recoveryBackoff: { jitter: 'none' } } as const

/** The mode after one call that rejects with `error`, where one failure trips. */
async function modeAfter(error: unknown, options: BreakerOptions = {}): Promise<string> {
  const { gear } = await oneInstance()
  const smtp = gear.breaker('smtp', { ...once, ...options })
  await expect(smtp.run(() => Promise.reject(error))).rejects.toBe(error)
  return smtp.state.mode
}

const coded = (code: string) => Object.assign(new Error(code), { code })

describe('without a judge', () => {
  test.each([
    ['an Error', new Error('down'), 'open'],
    ['a refused connection', coded('ECONNREFUSED'), 'open'],
    ['null', null, 'open'],
    ['undefined', undefined, 'open'],
    ['a text', 'down', 'open'],
    ['a timeout of the other side', coded('ETIMEDOUT'), 'open'],
    ['the platform’s timeout', new DOMException('late', 'TimeoutError'), 'open'],
    ['no file descriptors left', coded('EMFILE'), 'closed'],
    ['no memory left', coded('ENOMEM'), 'closed'],
    ['no local ports left', coded('EADDRNOTAVAIL'), 'closed'],
    ['an own fault as the cause', new Error('fetch failed', { cause: coded('ENFILE') }), 'closed'],
    ['an abort', new DOMException('aborted', 'AbortError'), 'closed'],
    ['an abort as the cause', new Error('request failed', { cause: coded('ABORT_ERR') }), 'closed'],
    ['a timer that came late because the event loop was blocked', new TimeoutError('a call', 100, 100), 'closed'],
    ['a timer that came a little late', new TimeoutError('a call', 1_000, 20), 'open'],
  ])('%s leaves it %3$s', async (_what, error, mode) => {
    expect(await modeAfter(error)).toBe(mode)
  })

  test('work that throws in the same tick is a failure, and rejects', async () => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp', once)
    const thrown = new TypeError('not a function')
    await expect(
      smtp.run(() => {
        throw thrown
      }),
    ).rejects.toBe(thrown)
    expect(smtp.state.mode).toBe('open')
  })

  test('work that gives a value, or a thenable, succeeds', async () => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp', once)
    expect(await smtp.run(() => 7)).toBe(7)
    expect(await smtp.run(() => Promise.resolve('x'))).toBe('x')
    expect(smtp.state.counts).toMatchObject({ calls: 2, failures: 0 })
  })
})

describe('the judge', () => {
  const answers = (answer: unknown) => ({ judge: () => answer }) as BreakerOptions

  test.each([
    ['failure', coded('EMFILE'), 'open'],
    ['success', new Error('down'), 'closed'],
    ['ignored', new Error('down'), 'closed'],
    [undefined, new Error('down'), 'open'],
    [undefined, coded('EMFILE'), 'closed'],
    ['nonsense', new Error('down'), 'open'],
    [null, coded('EMFILE'), 'closed'],
  ])('answering %j decides, or leaves it to the built-in answer', async (answer, error, mode) => {
    expect(await modeAfter(error, answers(answer))).toBe(mode)
  })

  test('that throws has no answer', async () => {
    const judge = () => {
      throw new Error('broken judge')
    }
    expect(await modeAfter(new Error('down'), { judge })).toBe('open')
    expect(await modeAfter(coded('EMFILE'), { judge })).toBe('closed')
  })

  test('that answers success ends a streak; ignored does not', async () => {
    const { clock, gear } = await oneInstance()
    const judge = (error: unknown) => ((error as Error).message === 'soft' ? ('success' as const) : undefined)
    const smtp = gear.breaker('smtp', { failureThreshold: 2, judge })
    const soft = () => smtp.run(() => Promise.reject(new Error('soft'))).catch(() => {})
    await play(smtp, clock, 'F')
    await soft()
    expect(await play(smtp, clock, 'F I F')).toEqual(['closed', 'closed', 'open'])
  })

  test('judges what a permit is told, too', async () => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { ...once, judge: () => 'ignored' })
    const permit = smtp.tryAcquire()
    if (permit instanceof BreakerOpenError) throw permit
    permit.failure(new Error('down'))
    expect(smtp.state.mode).toBe('closed')
  })
})

describe('a probe that says nothing of the dependency', () => {
  test.each([
    ['an own fault', (error: () => Error) => Promise.reject(error())],
    [
      'an own fault, thrown',
      (error: () => Error) => {
        throw error()
      },
    ],
  ])('%s gives the lease back: half-open still, and the next call probes at once', async (_what, work) => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', once)
    await play(smtp, clock, 'F +60100')
    await clock.runUntil(smtp.run(() => work(ownFault)).catch(() => {}))
    await clock.settle()
    expect(smtp.state).toMatchObject({ mode: 'halfOpen', failedRecoveries: 0 })
    expect(smtp.state.probe).toBeUndefined()
    expect(await clock.runUntil(smtp.run(ok))).toBe('ok')
    await clock.settle()
    expect(smtp.state.mode).toBe('closed')
  })

  test('aborted by its caller: the lease is given back, on every instance', async () => {
    const { clock, gears } = await fleetOf(2)
    const smtps = gears.map((gear) => gear.breaker('smtp', once))
    await play(nth(smtps, 0), clock, 'F +60100')
    const giveUp = new AbortController()
    const probe = nth(smtps, 0).run(hang, { signal: giveUp.signal })
    await clock.advanceBy(100)
    giveUp.abort(new Error('the caller left'))
    await expect(probe).rejects.toThrow('the caller left')
    await clock.settle()
    expect(nth(smtps, 1).state).toMatchObject({ mode: 'halfOpen' })
    expect(nth(smtps, 1).state.probe).toBeUndefined()
    expect(await clock.runUntil(nth(smtps, 1).run(ok))).toBe('ok')
  })

  test('judged ignored by the user: the same', async () => {
    const { clock, gear } = await oneInstance()
    const judge = (error: unknown) => ((error as Error).message === 'odd' ? ('ignored' as const) : undefined)
    const smtp = gear.breaker('smtp', { ...once, judge })
    await play(smtp, clock, 'F +60100')
    await clock.runUntil(smtp.run(() => Promise.reject(new Error('odd'))).catch(() => {}))
    await clock.settle()
    expect(smtp.state.mode).toBe('halfOpen')
  })

  test('a timeout that the work itself threw is judged like any error of the work', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', {
      ...once,
      judge: (error) => (error instanceof TimeoutError ? 'ignored' : undefined),
    })
    await play(smtp, clock, 'F +60100')
    await clock.runUntil(smtp.run(() => Promise.reject(new TimeoutError('an inner call', 10))).catch(() => {}))
    await clock.settle()
    expect(smtp.state).toMatchObject({ mode: 'halfOpen', failedRecoveries: 0 })
  })
})

describe('timeoutMs', () => {
  test('ends a call at its time, aborts its signal, and counts as a failure', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { ...once, timeoutMs: 1_000 })
    let signal: AbortSignal | undefined
    const call = smtp.run((of) => {
      signal = of.signal
      return hang()
    })
    const error = call.catch((reason: unknown) => reason)
    await clock.advanceBy(999)
    expect([smtp.state.mode, signal?.aborted]).toEqual(['closed', false])
    await clock.advanceBy(1)
    expect(await error).toMatchObject({ code: 'SWITCHGEAR_TIMEOUT', timeoutMs: 1_000 })
    expect([smtp.state.mode, signal?.aborted]).toEqual(['open', true])
  })

  test('leaves no timer behind a call that came in time', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { timeoutMs: 1_000 })
    await smtp.run(ok)
    await smtp.run(fail).catch(() => {})
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('the caller’s signal', () => {
  test('aborts the call at once with its reason, aborts the work’s signal, and counts neither way', async () => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp', once)
    const giveUp = new AbortController()
    let signal: AbortSignal | undefined
    const call = smtp.run(
      (of) => {
        signal = of.signal
        return hang()
      },
      { signal: giveUp.signal },
    )
    const reason = new Error('not needed any more')
    giveUp.abort(reason)
    await expect(call).rejects.toBe(reason)
    expect(signal?.aborted).toBe(true)
    expect(smtp.state).toMatchObject({ mode: 'closed', counts: { calls: 0 } })
  })

  test('aborted before: the work is never called', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', once)
    let called = 0
    const options = { signal: AbortSignal.abort('no') }
    await expect(smtp.run(() => called++, options)).rejects.toBe('no')
    await play(smtp, clock, 'F +60100')
    await expect(smtp.run(() => called++, options)).rejects.toBe('no')
    expect(called).toBe(0)
  })

  test('aborted while the probe is being claimed: it rejects at once, and the next call is the probe', async () => {
    const { clock, gear } = await oneInstance({ latencyMs: { min: 300, max: 300 } })
    const smtp = gear.breaker('smtp', once)
    await play(smtp, clock, 'F +61000')
    const giveUp = new AbortController()
    let rejectedAt = 0
    const startedAt = clock.monotonic()
    smtp.run(ok, { signal: giveUp.signal }).catch(() => {
      rejectedAt = clock.monotonic() - startedAt
    })
    await clock.advanceBy(100)
    giveUp.abort(new Error('left'))
    await clock.advanceBy(1)
    expect(rejectedAt).toBe(100)
    await clock.advanceBy(800)
    expect(smtp.state).toMatchObject({ mode: 'halfOpen', probe: { holder: 'a' } })
    expect(await clock.runUntil(smtp.run(ok))).toBe('ok')
  })

  test('leaves no listener behind', async () => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { timeoutMs: 1_000 })
    const { signal } = new AbortController()
    for (let call = 0; call < 20; call++) await smtp.run(ok, { signal })
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})
