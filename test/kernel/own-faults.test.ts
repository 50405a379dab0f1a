import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { TimeoutError } from '../../src/kernel/errors.ts'
import { isAbort, isOwnFault } from '../../src/kernel/own-faults.ts'

const withCode = (code: string) => Object.assign(new Error('it failed'), { code })
const wrapped = (cause: unknown) => new Error('wrapped', { cause: new Error('twice', { cause }) })

const hostile = new Proxy(
  {},
  {
    get() {
      throw new Error('hostile')
    },
  },
)

describe('isOwnFault', () => {
  test.each(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL'])('is true for %s, also as a cause', (code) => {
    expect(isOwnFault(withCode(code))).toBe(true)
    expect(isOwnFault(wrapped(withCode(code)))).toBe(true)
    expect(isOwnFault(Object.assign(withCode('ESOCKET'), { originalCode: code }))).toBe(true)
    expect(isOwnFault(new AggregateError([withCode('ECONNREFUSED'), withCode(code)]))).toBe(true)
  })

  test.each([
    [1_000, 0, false],
    [1_000, 499, false],
    [1_000, 500, true],
    [1_000, 5_000, true],
    [40, 20, false],
    [40, 49, false],
    [40, 50, true],
  ])('of a timeout of %i ms that came %i ms late is %s', (timeoutMs, lateMs, expected) => {
    const error = new TimeoutError('a call', timeoutMs, lateMs)
    expect(isOwnFault(error)).toBe(expected)
    expect(isOwnFault(wrapped(error))).toBe(expected)
  })

  test.each([[withCode('ECONNREFUSED')], [new Error('x')], [null], [undefined], ['EMFILE']])(
    'is false for %o',
    (error) => {
      expect(isOwnFault(error)).toBe(false)
    },
  )
})

describe('isAbort', () => {
  test('is true for what the platform throws when the caller aborts', async () => {
    const controller = new AbortController()
    const waiting = sleep(60_000, undefined, { signal: controller.signal })
    controller.abort()
    const error = await waiting.catch((thrown: unknown) => thrown)
    expect(isAbort(error)).toBe(true)
    expect(isAbort(controller.signal.reason)).toBe(true)
    expect(isAbort(wrapped(error))).toBe(true)
  })

  test.each(['ABORT_ERR', 'UND_ERR_ABORTED', 'ERR_CANCELED', 'EABORT'])('is true for %s', (code) => {
    expect(isAbort(withCode(code))).toBe(true)
  })

  test('is false when a timeout aborted', async () => {
    const error: unknown = await sleep(60_000, undefined, { signal: AbortSignal.timeout(1) }).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ name: 'AbortError' })
    expect(isAbort(error)).toBe(false)
    expect(isAbort(new TimeoutError('a call', 1))).toBe(false)
  })

  test.each([[new Error('AbortError')], [null], ['AbortError']])('is false for %o', (error) => {
    expect(isAbort(error)).toBe(false)
  })
})

test('neither throws for an error that cannot be read', () => {
  expect(isOwnFault(hostile)).toBe(false)
  expect(isAbort(hostile)).toBe(false)
})
