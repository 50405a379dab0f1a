import { describe, expect, test } from 'vitest'
import { classify } from '../../src/kernel/classify.ts'
import { parseRetryAfter } from '../../src/kernel/retry-after.ts'

const now = Date.UTC(2026, 10, 24, 10, 0, 0)
const in90s = 'Tue, 24 Nov 2026 10:01:30 GMT'

describe('parseRetryAfter', () => {
  test.each([
    ['0', 0],
    ['5', 5_000],
    [' 120 ', 120_000],
    [7, 7_000],
    ['99999999999999999999999', Number.MAX_SAFE_INTEGER],
    [in90s, 90_000],
    ['Tuesday, 24-Nov-26 10:01:30 GMT', 90_000],
    ['Tue Nov 24 10:01:30 2026', 90_000],
    ['Tue, 24 Nov 2026 09:00:00 GMT', 0],
  ])('takes %o for %i ms', (field, afterMs) => {
    expect(parseRetryAfter(field, now)).toBe(afterMs)
  })

  test.each([
    [''],
    ['soon'],
    ['soon 1'],
    ['-5'],
    ['1.5'],
    ['1e3'],
    ['0x10'],
    ['5 s'],
    ['NaN'],
    ['Infinity'],
    ['2026-11-24T10:01:30Z'],
    ['Tue, 24 Nov 2026 10:01:30'],
    ['Tue, 24 Foo 2026 10:01:30 GMT'],
    [-1],
    [Number.NaN],
    [Infinity],
    [null],
    [undefined],
    [{}],
    ['9'.repeat(100)],
  ])('passes over %o', (field) => {
    expect(parseRetryAfter(field, now)).toBeUndefined()
  })
})

describe('Retry-After is found', () => {
  const error = { status: 429 }

  test.each<[string, object]>([
    ['in Headers of the error', { ...error, headers: new Headers({ 'retry-after': '3' }) }],
    ['in Headers of its response', { response: new Response(null, { status: 429, headers: { 'Retry-After': '3' } }) }],
    ['in a plain object, in small letters', { ...error, headers: { 'retry-after': '3' } }],
    ['in a plain object, in any case', { ...error, response: { headers: { 'RETRY-After': '3' } } }],
    ['in a Map', { ...error, headers: new Map([['Retry-After', '3']]) }],
    ['in a list, as Node gives repeated fields', { ...error, headers: { 'retry-after': ['3', '9'] } }],
    ['as a number', { ...error, headers: { 'Retry-After': 3 } }],
    ['in res, as superagent has it', { res: { statusCode: 429, headers: { 'retry-after': '3' } } }],
    ['in a cause', { message: 'wrapped', cause: { ...error, headers: { 'retry-after': '3' } } }],
    ['as retryAfterMs of the error', { ...error, retryAfterMs: 3_000 }],
  ])('%s', (_where, given) => {
    expect(classify(given, { now })).toMatchObject({ type: 'rate_limited', retryAfterMs: 3_000 })
  })

  test('with a 503 too, and a date counts from the time of the caller', () => {
    const response = new Response(null, { status: 503, headers: { 'retry-after': in90s } })
    expect(classify({ response }, { now })).toMatchObject({ type: 'server_error', retryAfterMs: 90_000 })
  })

  test.each(['soon', '-1', ''])('and passed over when it is %o', (field) => {
    expect(classify({ ...error, headers: { 'retry-after': field } })).not.toHaveProperty('retryAfterMs')
  })
})
