import { describe, expect, test } from 'vitest'
import { limit, memoryLimiter, RateLimitedError } from '../../../src/index.ts'

const limits = { email: { limit: 2, windowMs: 60_000 } }

describe('a function with a limit', () => {
  test('is called as often as the limit says, for each key, and then rejects with the decision', async () => {
    const sent: string[] = []
    const key = (organization: string) => organization
    const send = limit(
      { limiter: memoryLimiter({ limits }), names: 'email', key },
      (organization: string, mail: string) => sent.push(`${organization} ${mail}`),
    )
    expect([await send('acme', 'a'), await send('acme', 'b'), await send('globex', 'c')]).toEqual([1, 2, 3])
    const refused = await send('acme', 'd').catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(RateLimitedError)
    expect(refused).toMatchObject({ message: expect.stringContaining('"acme"') as unknown })
    expect(refused).toMatchObject({ decision: { allowed: false, limits: [{ name: 'email', remaining: 0 }] } })
    expect(sent).toEqual(['acme a', 'acme b', 'globex c'])
  })

  test('rejects with what it throws, and gives back what is not to count', async () => {
    const limiter = memoryLimiter({ limits })
    const refundWhen = (error: unknown) => error instanceof TypeError
    const fail = limit({ limiter, names: 'email', key: 'acme', refundWhen }, (error: Error) => Promise.reject(error))
    for (const error of [new TypeError('bad'), new TypeError('bad'), new Error('down')])
      await expect(fail(error)).rejects.toBe(error)
    expect(await limiter.peek('acme', 'email')).toMatchObject({ limits: [{ remaining: 1 }] })
  })

  test('rejects with what it throws, whatever happens to giving back', async () => {
    const error = new Error('down')
    const limiter = { ...memoryLimiter({ limits }), refund: () => Promise.reject(new Error('of the refund')) }
    const judges = [
      () => true,
      () => {
        throw new Error('of the judge')
      },
    ]
    for (const refundWhen of judges) {
      const fail = limit({ limiter, names: 'email', key: 'acme', refundWhen }, () => Promise.reject(error))
      await expect(fail()).rejects.toBe(error)
    }
  })

  const limiter = memoryLimiter({ limits })
  test.each([
    [{}, 'limit.limiter', 'expected a limiter'],
    [{ limiter: {}, names: 'a', key: 'a' }, 'limit.limiter', 'expected a limiter'],
    [{ limiter, key: 'a' }, 'limit.names', 'expected names'],
    [{ limiter, names: 'email', key: 3 }, 'limit.key', '3'],
    [{ limiter, names: 'email', key: 'a', refundWhen: true }, 'limit.refundWhen', 'expected a function'],
    [{ limiter, names: 'email', key: 'a', refund: true }, 'limit.refund', 'is not a known option'],
  ])('is not made of %j', (options, path, rule) => {
    const make = () => limit(options as never, () => 1)
    expect(make).toThrow(expect.objectContaining({ code: 'SWITCHGEAR_CONFIG', path }))
    expect(make).toThrow(rule)
  })

  test('is not made of what is no function', () => {
    const make = () => limit({ limiter, names: 'email', key: 'a' }, 'send' as never)
    expect(make).toThrow(expect.objectContaining({ path: 'work' }))
    expect(make).toThrow('expected a function (given: "send")')
  })
})
