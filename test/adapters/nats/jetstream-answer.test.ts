import { expect, test } from 'vitest'
import { payloadOf } from '../../../src/adapters/nats/jetstream-answer.ts'
import { classify } from '../../../src/kernel/classify.ts'
import { BreakerOpenError } from '../../../src/kernel/errors.ts'
import type { Outcome } from '../../../src/kernel/outcome.ts'
import { answerTo } from '../../../src/streams/pipeline/answer-to.ts'

const made = { attempts: 1, durationMs: 1 }
const failed = (error: unknown): Outcome<never> => ({ status: 'failed', error: classify(error), ...made })
const http = (status: number, headers: object = {}): Error => Object.assign(new Error(`${status}`), { status, headers })
const said = (outcome: Outcome<unknown>, deliveries = 1): string => payloadOf(answerTo(outcome, deliveries, 0.5))

test('what was done is acknowledged: delivered, dead-lettered, or with something in its place', () => {
  const error = classify(http(500))
  expect(said({ status: 'delivered', value: 1, ...made })).toBe('+ACK')
  expect(said({ status: 'deadLettered', letterId: 'a.1', error, ...made })).toBe('+ACK')
  expect(said({ status: 'fallback', value: 1, error, ...made })).toBe('+ACK')
})

test('what failed for good is terminated, and what may succeed later comes again, later each time', () => {
  expect(said(failed(http(404)))).toBe('+TERM')
  expect(said(failed(http(503)))).toBe('-NAK {"delay":1000000000}')
  expect(said(failed(http(503)), 3)).toBe('-NAK {"delay":4000000000}')
  expect(said(failed(http(503)), 1_000_000)).toBe('-NAK {"delay":60000000000}')
  expect(said(failed(http(429, { 'retry-after': '7' })))).toBe('-NAK {"delay":7000000000}')
})

test('the refusal of a breaker is no fault of the message: it comes again when the breaker says', () => {
  const open = new BreakerOpenError({ breaker: 'smtp', mode: 'open', retryAfterMs: 1_500, retryAt: 0, because: '' })
  expect(said(failed(open))).toBe('-NAK {"delay":1500000000}')
  expect(said({ status: 'refused', reason: 'breakerOpen', retryAfterMs: 1_500 })).toBe('-NAK {"delay":1500000000}')
  expect(said({ status: 'refused', reason: 'breakerOpen', retryAfterMs: Infinity })).toBe('-NAK {"delay":60000000000}')
  expect(said({ status: 'refused', reason: 'rateLimited', retryAfterMs: 0.5 })).toBe('-NAK {"delay":1000000}')
})

test('what was not begun goes back at once', () => {
  for (const reason of ['closing', 'aborted', 'overCapacity'] as const)
    expect(said({ status: 'refused', reason })).toBe('-NAK')
})
