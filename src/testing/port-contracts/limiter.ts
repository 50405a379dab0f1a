import { strict as assert } from 'node:assert'
import { ConfigError } from '../../kernel/errors.ts'
import type { Limiter, LimitNames, Limits } from '../../ports/limiter.ts'
import { type Clause, eventually, freshName, rejectionOf, type TestFunction } from './contract.ts'

/** The limits that the limiter under test has to have. */
export const contractLimits: Limits = Object.freeze({
  few: { limit: 3, windowMs: 3_600_000 },
  many: { limit: 1_000, windowMs: 3_600_000 },
  brief: { limit: 2, windowMs: 250 },
  'a:b{c}% *>Grüße': { limit: 3, windowMs: 3_600_000 },
})

/**
 * Tries the contract of the port `Limiter` on an adapter: one test for each sentence of it. `make` gives a limiter with
 * the limits that are asked for; each test uses keys of its own, and closes its limiter.
 * @example portContracts.limiter(test, (limits) => myLimiter({ limits }))
 */
export function limiterContract(test: TestFunction, make: (limits: Limits) => Limiter | Promise<Limiter>): void {
  for (const { says, holds } of clauses) {
    test(`limiter: ${says}`, async () => {
      const limiter = await make(contractLimits)
      try {
        await holds(limiter)
      } finally {
        await limiter.close?.()
      }
    })
  }
}

const clauses: readonly Clause<Limiter>[] = [
  {
    says: 'grants what the limit says, says what is left, and refuses the next',
    async holds(limiter) {
      const key = freshName('acme')
      for (const remaining of [2, 1, 0]) {
        const { allowed, limits } = await limiter.check(key, 'few')
        assert.deepEqual([allowed, limits[0]?.remaining], [true, remaining])
      }
      const refused = await limiter.check(key, 'few')
      assert.equal(refused.allowed, false)
      assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= 3_600_000)
      assert.equal(refused.limits[0]?.exceeded, true)
    },
  },
  {
    says: 'of 50 requests at once it grants what the limit says',
    async holds(limiter) {
      const key = freshName('acme')
      const all = await Promise.all(Array.from({ length: 50 }, () => limiter.check(key, 'few')))
      assert.equal(all.filter(({ allowed }) => allowed).length, 3)
    },
  },
  {
    says: 'books all names or none, and the sum for a name that is given twice',
    async holds(limiter) {
      const key = freshName('acme')
      assert.ok((await limiter.check(key, [{ name: 'few', cost: 2 }, 'few', 'many'])).allowed)
      assert.equal((await limiter.check(key, ['many', 'few'])).allowed, false)
      assert.equal(await left(limiter, key, 'many'), 999)
    },
  },
  {
    says: 'grants again when retryAfterMs have passed, and not before',
    async holds(limiter) {
      const key = freshName('acme')
      const firstAt = performance.now()
      await limiter.check(key, [{ name: 'brief', cost: 2 }])
      let { allowed, retryAfterMs } = await limiter.check(key, 'brief')
      assert.ok(!allowed && retryAfterMs > 0 && retryAfterMs <= 250)
      let asking = Promise.resolve()
      const ask = async (): Promise<void> => {
        ;({ allowed, retryAfterMs } = await limiter.check(key, 'brief'))
      }
      await eventually(() => {
        if (!allowed) asking = asking.then(ask)
        return allowed
      }, 'the limit grants again')
      await asking
      assert.ok(performance.now() - firstAt >= 250, 'it granted again too early')
    },
  },
  {
    says: 'books nothing when it is peeked at',
    async holds(limiter) {
      const key = freshName('acme')
      for (let look = 0; look < 5; look += 1) assert.ok((await limiter.peek(key, 'few')).allowed)
      assert.equal(await left(limiter, key, 'few'), 3)
      assert.equal((await limiter.peek(key, [{ name: 'few', cost: 4 }])).allowed, false)
    },
  },
  {
    says: 'gives back what a decision booked, once',
    async holds(limiter) {
      const key = freshName('acme')
      const [first] = [await limiter.check(key, ['few', 'many']), await limiter.check(key, 'few')]
      const refused = await limiter.check(key, [{ name: 'few', cost: 2 }])
      for (const decision of [first, first, refused, await limiter.peek(key, 'few')]) await limiter.refund(decision)
      assert.equal(await left(limiter, key, 'few'), 2)
      assert.equal(await left(limiter, key, 'many'), 1_000)
    },
  },
  {
    says: 'refuses for ever, and books nothing, when a cost is above the limit',
    async holds(limiter) {
      const key = freshName('acme')
      const decision = await limiter.check(key, [{ name: 'few', cost: 4 }, 'many'])
      assert.deepEqual([decision.allowed, decision.retryAfterMs], [false, Infinity])
      assert.equal(decision.headers()['Retry-After'], undefined)
      assert.equal(await left(limiter, key, 'many'), 1_000)
    },
  },
  {
    says: 'keeps keys and names apart, whatever they hold',
    async holds(limiter) {
      const odd = 'a:b{c}% *>Grüße'
      const keys = [':', '{}', '}{', '%7D', 'a:few', ' ', 'Grüße 🚀'].map((key) => `${key}${freshName('')}`)
      for (const key of keys) assert.ok((await limiter.check(key, [{ name: odd, cost: 3 }, 'few'])).allowed)
      for (const key of keys) assert.deepEqual([await left(limiter, key, odd), await left(limiter, key, 'few')], [0, 2])
    },
  },
  {
    says: 'has other limits for one key while they are overridden',
    async holds(limiter) {
      const [key, other] = [freshName('acme'), freshName('other')]
      await limiter.override(key, { few: { limit: 5, windowMs: 3_600_000 } })
      assert.ok((await limiter.check(key, [{ name: 'few', cost: 5 }])).allowed)
      assert.equal((await limiter.check(other, [{ name: 'few', cost: 5 }])).allowed, false)
      await limiter.override(key, { few: null })
      assert.equal((await limiter.peek(key, 'few')).limits[0]?.limit, 3)
    },
  },
  {
    says: 'forgets what was granted when it is reset',
    async holds(limiter) {
      const key = freshName('acme')
      await limiter.check(key, [{ name: 'few', cost: 3 }, 'many'])
      await limiter.reset(key, 'few')
      assert.deepEqual([await left(limiter, key, 'few'), await left(limiter, key, 'many')], [3, 999])
      await limiter.reset(key)
      assert.equal(await left(limiter, key, 'many'), 1_000)
    },
  },
  {
    says: 'gives back nothing of what was forgotten',
    async holds(limiter) {
      const key = freshName('acme')
      const forgotten = await limiter.check(key, [{ name: 'many', cost: 1_000 }])
      await limiter.reset(key)
      await limiter.check(key, [{ name: 'many', cost: 1_000 }])
      await limiter.refund(forgotten)
      assert.equal(await left(limiter, key, 'many'), 0)
    },
  },
  {
    says: 'rejects what cannot be meant',
    async holds(limiter) {
      const key = freshName('acme')
      const bad: readonly (readonly [string, LimitNames])[] = [
        [key, 'unknown'],
        [key, []],
        ['', 'few'],
        ...[0, -1, 0.5, Number.NaN].map((cost) => [key, [{ name: 'few', cost }]] as const),
      ]
      for (const [of, names] of bad) assert.ok((await rejectionOf(limiter.check(of, names))) instanceof ConfigError)
      const unknown = limiter.override(key, { unknown: { limit: 1, windowMs: 1 } })
      assert.ok((await rejectionOf(unknown)) instanceof ConfigError)
      const zero = limiter.override(key, { few: { limit: 0, windowMs: 1 } })
      assert.ok((await rejectionOf(zero)) instanceof ConfigError)
    },
  },
  {
    says: 'proposes a limit for each name, from what it, and who shares its store, was asked for',
    async holds(limiter) {
      await limiter.check(freshName('acme'), 'few')
      const proposals = await limiter.suggest()
      assert.deepEqual(
        proposals.map(({ name }) => name),
        Object.keys(contractLimits),
      )
      assert.ok((proposals[0]?.asked ?? 0) >= 1)
    },
  },
]

async function left(limiter: Limiter, key: string, name: string): Promise<number | undefined> {
  return (await limiter.peek(key, name)).limits[0]?.remaining
}
