import { inspect, types } from 'node:util'
import { BreakerOpenError, SwitchgearError } from 'switchgear'
import { describe, expect, test } from 'vitest'

const facts = { breaker: 'smtp', mode: 'open', retryAfterMs: 41_000, retryAt: 1_000_041_000 } as const
const made = () => new BreakerOpenError({ ...facts, because: '5 consecutive failures' })
const message = 'breaker "smtp" is open for another 41 s (5 consecutive failures); calls are refused'

describe('a BreakerOpenError, which is made on a hot path,', () => {
  test('is an error to everybody who asks', () => {
    const error = made()
    expect(types.isNativeError(error)).toBe(true)
    expect(error).toBeInstanceOf(Error)
    expect(error).toBeInstanceOf(SwitchgearError)
    expect(String(error)).toBe(`BreakerOpenError: ${message}`)
    expect(inspect(error)).toContain(`BreakerOpenError: ${message}`)
  })

  test('shows its facts to those who log, and to those who copy it', () => {
    const shown = { ...facts, name: 'BreakerOpenError', code: 'SWITCHGEAR_BREAKER_OPEN', retryable: true, message }
    expect(Object.fromEntries(Object.entries(made()))).toEqual(shown)
    expect(JSON.parse(JSON.stringify(made()))).toEqual(shown)
    expect(structuredClone(made()).message).toBe(message)
  })

  test('has a stack of one line, and leaves the stacks of others as they were', () => {
    const limit = Error.stackTraceLimit
    expect(made().stack).toBe(`BreakerOpenError: ${message}`)
    expect(Error.stackTraceLimit).toBe(limit)
    expect(new Error('another').stack?.split('\n').length).toBeGreaterThan(1)
  })

  test('can be made from another one, and is not changed by what is done to it', () => {
    const first = made()
    const second = new BreakerOpenError(first)
    expect(Object.entries(second)).toEqual(Object.entries(first))
    first.message = 'something else'
    expect(second.message).toBe(message)
    expect(second.stack).toBe(`BreakerOpenError: ${message}`)
  })
})
