import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { classify } from '../../src/kernel/classify.ts'
import {
  BreakerOpenError,
  ClosedError,
  ConfigError,
  OverCapacityError,
  RateLimitedError,
  TimeoutError,
  UnavailableError,
} from '../../src/kernel/errors.ts'

const withCode = (code: string, message = 'it failed') => Object.assign(new Error(message), { code })
const withStatus = (status: number) => Object.assign(new Error(`HTTP ${status}`), { status })
const limited = (retryAfterMs: number) => classify(new RateLimitedError('email', { retryAfterMs }))
const withReply = (responseCode: number) => Object.assign(new Error('refused'), { code: 'EENVELOPE', responseCode })

class Odd {
  readonly why = 'nobody knows'
}

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

describe('classify goes by the status', () => {
  test.each([
    [400, 'rejected', false],
    [401, 'rejected', false],
    [404, 'rejected', false],
    [408, 'timeout', true],
    [409, 'rejected', false],
    [422, 'rejected', false],
    [425, 'rate_limited', true],
    [429, 'rate_limited', true],
    [499, 'rejected', false],
    [500, 'server_error', true],
    [501, 'server_error', false],
    [502, 'server_error', true],
    [503, 'server_error', true],
    [504, 'server_error', true],
    [505, 'server_error', false],
    [599, 'server_error', true],
  ])('%i is %s, retryable: %s', (status, type, retryable) => {
    expect(classify(withStatus(status))).toMatchObject({ type, retryable, status })
    expect(classify({ statusCode: status })).toMatchObject({ type, retryable, status })
    expect(classify({ response: { status } })).toMatchObject({ type, retryable, status })
    expect(classify(new Response(null, { status }))).toMatchObject({ type, retryable, status })
    expect(classify({ $metadata: { httpStatusCode: status } })).toMatchObject({ type, retryable, status })
  })

  test.each([200, 304, 399, 600, 4.5, Number.NaN, '503'])('%s is none', (status) => {
    const answer = classify({ status })
    expect(answer).toMatchObject({ type: 'unknown', retryable: true })
    expect(answer).not.toHaveProperty('status')
  })
})

describe('classify goes by the SMTP reply', () => {
  test.each([
    [421, 'server_error', true],
    [450, 'server_error', true],
    [451, 'server_error', true],
    [454, 'server_error', true],
    [503, 'server_error', true],
    [535, 'rejected', false],
    [550, 'rejected', false],
    [552, 'rejected', false],
    [554, 'rejected', false],
  ])('%i is %s, retryable: %s', (reply, type, retryable) => {
    expect(classify(withReply(reply))).toMatchObject({ type, retryable, status: reply })
  })

  test('a code of nodemailer without a reply is its own trouble', () => {
    expect(classify(withCode('EAUTH'))).toMatchObject({ type: 'rejected', retryable: false })
    expect(classify(withCode('EENVELOPE', 'No recipients defined'))).toMatchObject({
      type: 'invalid',
      retryable: false,
    })
    expect(classify(withCode('ECONNECTION'))).toMatchObject({ type: 'connection', retryable: true })
  })

  test('what the system said counts more than the code that nodemailer puts in front', () => {
    const error = Object.assign(withCode('ESOCKET'), { originalCode: 'CERT_HAS_EXPIRED' })
    expect(classify(error)).toMatchObject({ type: 'connection', retryable: false, code: 'ESOCKET' })
  })
})

describe('classify goes by the name', () => {
  test('an abort of the caller is not retried', () => {
    const controller = new AbortController()
    controller.abort()
    expect(classify(controller.signal.reason)).toMatchObject({ type: 'unknown', retryable: false, name: 'AbortError' })
  })

  test('an abort that a timeout set off is a timeout', () => {
    const reason = new DOMException('The operation was aborted due to timeout', 'TimeoutError')
    const abort = Object.assign(new Error('The operation was aborted', { cause: reason }), { name: 'AbortError' })
    expect(classify(reason)).toMatchObject({ type: 'timeout', retryable: true })
    expect(classify(abort)).toMatchObject({ type: 'timeout', retryable: true })
  })

  test.each(['TimeoutError', 'ConnectTimeoutError', 'QueryTimeoutException'])('%s is a timeout', (name) => {
    expect(classify({ name, message: 'too long' })).toMatchObject({ type: 'timeout', retryable: true })
  })

  test('what cannot be read is invalid', () => {
    expect(classify(thrownBy(() => z.string().parse(1)))).toMatchObject({ type: 'invalid', retryable: false })
    expect(classify(thrownBy(() => JSON.parse('{')))).toMatchObject({ type: 'invalid', retryable: false })
    expect(classify(thrownBy(() => new URL('nowhere')))).toMatchObject({ type: 'invalid', retryable: false })
  })
})

describe('classify, where nothing is known,', () => {
  test.each([[new Error('odd')], ['a text'], [42], [undefined], [null], [Symbol('s')], [{}], [{ message: 'm' }]])(
    'takes %o for unknown and retryable',
    (error) => {
      expect(classify(error)).toMatchObject({ type: 'unknown', retryable: true, cause: error })
    },
  )

  test.each([[new TypeError('x is not a function')], [new ReferenceError('x')], [new RangeError('x')]])(
    'does not repeat a mistake of the program: %s',
    (error) => {
      expect(classify(error)).toMatchObject({ type: 'unknown', retryable: false })
    },
  )

  test('names what is no error, and says what it was', () => {
    expect(classify(null)).toMatchObject({ name: 'NonError', message: 'null' })
    expect(classify('gone')).toMatchObject({ name: 'NonError', message: 'gone' })
    expect(classify(new Odd())).toMatchObject({ name: 'Odd' })
  })
})

describe('classify of our own errors', () => {
  test('an open breaker is not asked again in a loop, and says when it may be', () => {
    const error = new BreakerOpenError({
      breaker: 'smtp',
      mode: 'open',
      retryAfterMs: 41_000,
      retryAt: 41_000,
      because: '',
    })
    expect(classify(error)).toMatchObject({ type: 'circuit_open', retryable: false, retryAfterMs: 41_000 })
  })

  test('one that only an operator releases says no time', () => {
    const forced = {
      breaker: 'smtp',
      mode: 'forcedOpen',
      retryAfterMs: Infinity,
      retryAt: Infinity,
      because: '',
    } as const
    expect(classify(new BreakerOpenError(forced))).not.toHaveProperty('retryAfterMs')
  })

  test('a limit passes, unless the cost can never', () => {
    expect(limited(1_500)).toMatchObject({ type: 'rate_limited', retryable: true, retryAfterMs: 1_500 })
    expect(limited(Infinity)).toMatchObject({ type: 'rate_limited', retryable: false })
  })

  test('the others are what they say', () => {
    expect(classify(new TimeoutError('a call', 100))).toMatchObject({ type: 'timeout', retryable: true })
    expect(classify(new UnavailableError('redis', 'no link'))).toMatchObject({ type: 'connection', retryable: true })
    expect(classify(new OverCapacityError('a queue', 'maxWaiting', 3))).toMatchObject({
      type: 'rate_limited',
      retryable: true,
    })
    expect(classify(new ConfigError('path', 'is wrong'))).toMatchObject({ type: 'invalid', retryable: false })
    expect(classify(new ClosedError('the instance'))).toMatchObject({ type: 'unknown', retryable: false })
  })

  test('what was classified before stays as it is, and keeps its cause', () => {
    const first = classify(withCode('ECONNREFUSED'))
    expect(classify(first)).toEqual(first)
    const expired = {
      type: 'expired',
      retryable: false,
      name: 'Expired',
      message: 'too old',
      cause: undefined,
    } as const
    expect(classify(expired)).toMatchObject({ type: 'expired', retryable: false, message: 'too old' })
  })
})

describe('classify looks at causes', () => {
  test('where the error itself says nothing, and tells what they said', () => {
    const error = new Error('sending failed', { cause: withCode('ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.1:25') })
    expect(classify(error)).toMatchObject({
      type: 'connection',
      retryable: true,
      code: 'ECONNREFUSED',
      message: 'sending failed: connect ECONNREFUSED 10.0.0.1:25',
      cause: error,
    })
  })

  test('but not past an error that says something itself', () => {
    expect(classify(Object.assign(withStatus(404), { cause: withStatus(503) }))).toMatchObject({ type: 'rejected' })
  })

  test('through the parts of an aggregate', () => {
    const error = new AggregateError([new Error('odd'), withStatus(503)], 'all of them failed')
    expect(classify(error)).toMatchObject({ type: 'server_error', status: 503 })
  })

  test('in a ring, and comes to an end', () => {
    const one = new Error('one')
    const other = new Error('other', { cause: one })
    one.cause = other
    expect(classify(one)).toMatchObject({ type: 'unknown', retryable: true })
  })

  test('16 deep and no deeper', () => {
    const buried = (depth: number): Error =>
      depth === 0 ? withStatus(404) : new Error('wrapped', { cause: buried(depth - 1) })
    expect(classify(buried(15)).type).toBe('rejected')
    expect(classify(buried(16)).type).toBe('unknown')
  })
})

describe('a classifier of the caller', () => {
  const error = withStatus(404)

  test('is laid over the built-in answer', () => {
    expect(classify(error, { classify: () => ({ retryable: true, retryAfterMs: 5 }) })).toMatchObject({
      type: 'rejected',
      retryable: true,
      retryAfterMs: 5,
      status: 404,
    })
  })

  test('that gives a type alone brings what is usual for the type', () => {
    expect(classify(error, { classify: () => ({ type: 'server_error' }) })).toMatchObject({
      type: 'server_error',
      retryable: true,
    })
    expect(classify('x', { classify: () => ({ type: 'expired' }) })).toMatchObject({
      type: 'expired',
      retryable: false,
    })
  })

  test('that gives undefined leaves the built-in answer', () => {
    expect(classify(error, { classify: () => undefined })).toEqual(classify(error))
  })

  test('cannot make an open breaker be asked again', () => {
    const open = new BreakerOpenError({ breaker: 'b', mode: 'open', retryAfterMs: 1, retryAt: 1, because: '' })
    expect(classify(open, { classify: () => ({ type: 'unknown', retryable: true }) }).retryable).toBe(false)
  })
})

const hostile: readonly [string, () => unknown][] = [
  ['a getter that throws', () => Object.defineProperty(new Error('x'), 'code', { get: () => thrower() })],
  ['a message that throws', () => Object.defineProperty({}, 'message', { get: () => thrower() })],
  ['a toString that throws', () => ({ toString: () => thrower() })],
  ['an object without a prototype', (): unknown => Object.create(null)],
  [
    'a proxy whose traps throw',
    () => new Proxy({}, { get: () => thrower(), getPrototypeOf: () => thrower(), has: () => thrower() }),
  ],
  ['a revoked proxy', () => revoked()],
  ['a proxy that gives itself for everything', () => endless()],
  ['parts that never end', () => ({ errors: new Proxy([], { get: () => new Error('part') }) })],
  ['headers that throw', () => ({ headers: { get: () => thrower() } })],
  ['headers that are no object', () => ({ headers: 7, response: 'x' })],
  ['a cause that is itself', () => selfCaused()],
  ['a status that is a function', () => ({ status: () => 503 })],
  [
    'a classified look with getters that throw',
    () => ({
      type: 'timeout',
      retryable: true,
      name: 'n',
      message: 'm',
      get code() {
        return thrower()
      },
    }),
  ],
  ['a function', () => () => {}],
  ['a big integer', () => 10n],
]

function thrower(): never {
  throw new Error('hostile')
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function endless(): unknown {
  const proxy: object = new Proxy(() => {}, { get: () => proxy })
  return proxy
}

function selfCaused(): unknown {
  const error = new Error('me')
  error.cause = error
  return error
}

describe('classify never throws', () => {
  test.each(hostile)('for %s', (_name, make) => {
    const error = make()
    const answer = classify(error, { classify: () => ({}) })
    expect(typeof answer.message).toBe('string')
    expect(typeof answer.retryable).toBe('boolean')
  })

  test.each<[string, () => unknown]>([
    ['throws', () => thrower()],
    ['rejects', () => Promise.reject(new Error('late'))],
    ['gives a text', () => 'rejected'],
    ['gives a proxy that throws', () => new Proxy({}, { get: () => thrower() })],
    [
      'gives what cannot be meant',
      () => ({ type: 'odd', retryable: 'yes', retryAfterMs: -1, status: 'x', name: 1, message: {} }),
    ],
  ])('when the classifier %s, and keeps its own answer', (_name, answer) => {
    const error = withStatus(404)
    // What a caller without types may hand in.
    const given = { classify: answer as () => undefined }
    expect(classify(error, given)).toEqual(classify(error))
  })

  test('and cuts messages that would fill a log', () => {
    const { message } = classify(new Error('x'.repeat(1_000_000)))
    expect(message).toHaveLength(8_192)
    expect(message.endsWith('…')).toBe(true)
  })
})
