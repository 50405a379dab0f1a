import fastify from 'fastify'
import { BreakerOpenError, memoryLimiter, OverCapacityError, RateLimitedError } from 'switchgear'
import { problemOf, rateLimitHeaders } from 'switchgear/http'
import { describe, expect, test } from 'vitest'

const open = (retryAfterMs: number) =>
  new BreakerOpenError({ breaker: 'smtp', mode: 'open', retryAfterMs, retryAt: 0, because: '5 failures, by alerts-7f' })

describe('problemOf', () => {
  test.each([
    [40_001, '41'],
    [41_000, '41'],
    [1, '1'],
    [0, '1'],
    [Infinity, undefined],
  ])('an open breaker that may be asked in %d ms is a 503 with Retry-After %s', (retryAfterMs, seconds) => {
    const problem = problemOf(open(retryAfterMs))
    expect(problem).toMatchObject({ status: 503 })
    expect(problem?.headers['Retry-After']).toBe(seconds)
    expect(problem?.headers['Content-Type']).toBe('application/problem+json; charset=utf-8')
  })

  test('strangers are not told what the breaker is called, nor who opened it and why', () => {
    const body = problemOf(open(40_001))?.body ?? ''
    expect(JSON.parse(body)).toEqual({
      type: 'urn:switchgear:problem:breaker-open',
      title: 'Service Unavailable',
      status: 503,
      detail: 'what this request needs is out of order; try again in 41 s',
    })
  })

  test('a rate limit is a 429 with the fields of its decision, or with what is known of it', async () => {
    const limiter = memoryLimiter({ limits: { mail: { limit: 1, windowMs: 1_500 } } })
    await limiter.check('acme', 'mail')
    const decision = await limiter.peek('acme', 'mail')
    const problem = problemOf(new RateLimitedError('mail of acme', decision))
    expect(problem).toMatchObject({ status: 429, headers: rateLimitHeaders(decision) })
    expect(JSON.parse(problem?.body ?? '')).toMatchObject({ 'violated-policies': ['mail'] })
    const bare = problemOf(new RateLimitedError('mail', { retryAfterMs: 1_001 }))
    expect(bare).toMatchObject({ status: 429, headers: { 'Retry-After': '2' } })
  })

  test('a bound that is reached is a 503 that says when to come back, and not what is full', () => {
    const problem = problemOf(new OverCapacityError('limits in memory', 'keysMax', 100_000))
    expect(problem).toMatchObject({ status: 503, headers: { 'Retry-After': '1' } })
    expect(JSON.parse(problem?.body ?? '')).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
      title: 'Request cannot be satisfied due to temporary server capacity constraints',
      status: 503,
      detail: 'there is no room for more at the moment; try again in 1 s',
    })
  })

  test.each([[undefined], [new Error('any other')], ['a text']])('%s is none of ours', (error) => {
    expect(problemOf(error)).toBeUndefined()
  })

  test('an error handler of a framework answers with it', async () => {
    const app = fastify()
    app.setErrorHandler((error, _, reply) => {
      const problem = problemOf(error)
      if (problem === undefined) throw error
      return reply.code(problem.status).headers(problem.headers).send(problem.body)
    })
    app.get('/', () => {
      throw open(12_000)
    })
    const { statusCode, headers } = await app.inject('/')
    expect([statusCode, headers['retry-after'], headers['content-type']]).toEqual([
      503,
      '12',
      'application/problem+json; charset=utf-8',
    ])
  })
})
