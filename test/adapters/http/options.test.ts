import fastify from 'fastify'
import { ConfigError, memoryLimiter } from 'switchgear'
import { fastifyRateLimit, limited, rateLimitMiddleware } from 'switchgear/http'
import { describe, expect, test } from 'vitest'

const limiter = memoryLimiter()
const right = { limiter, names: 'alerts', key: () => 'acme' }

describe.each<[string, (options: typeof right) => unknown]>([
  ['fastifyRateLimit', async (options) => fastify().register(fastifyRateLimit, options)],
  ['rateLimitMiddleware', async (options) => rateLimitMiddleware(options)],
  ['limited', async (options) => limited(() => new Response(), options)],
])('%s', (_, limit) => {
  test.each<[path: string, change: object, message: string]>([
    ['limiter', { limiter: {} }, 'expected a limiter (given: an object)'],
    ['limiter', { limiter: undefined }, 'expected a limiter (given: undefined)'],
    [
      'names',
      { names: [] },
      "expected a limit's name, a list of names, or a function that gives them (given: a list of 0)",
    ],
    ['names', { names: '' }, 'expected a limit\'s name, a list of names, or a function that gives them (given: "")'],
    ['names', { names: [{ name: 'alerts', cost: 0 }] }, "expected a limit's name, a list of names, or a function"],
    ['key', { key: 'acme' }, 'expected a function (given: "acme")'],
    ['cost', { cost: 1.5 }, 'expected a whole number of at least 1, or a function that gives one (given: 1.5)'],
    ['cost', { cost: 0 }, 'expected a whole number of at least 1, or a function that gives one (given: 0)'],
    ['skip', { skip: true }, 'expected a function (given: true)'],
    ['refundWhen', { refundWhen: 404 }, 'expected a function (given: 404)'],
    ['legacyHeaders', { legacyHeaders: 'no' }, 'expected boolean'],
    ['logger', { logger: {} }, 'expected info, warn and error (given: an object)'],
    ['windowMs', { windowMs: 60_000 }, 'is not a known option (given: 60000)'],
  ])('refuses a wrong %s: %o', async (path, change, message) => {
    const error = await Promise.resolve(limit({ ...right, ...change })).then(undefined, (error: unknown) => error)
    expect(error).toBeInstanceOf(ConfigError)
    expect(error).toMatchObject({ path: `rateLimit.${path}`, message: expect.stringContaining(message) as string })
  })
})
