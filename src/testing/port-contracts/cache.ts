import { strict as assert } from 'node:assert'
import { ConfigError } from '../../kernel/errors.ts'
import type { Cache } from '../../streams/cache/two-tier-cache.ts'
import { cacheValueClauses } from './cache-values.ts'
import { type Clause, eventually, freshName, rejectionOf, type TestFunction } from './contract.ts'

/**
 * Tries the contract of `Cache`: one test for each sentence of it. `make` gives a cache with the kinds of the specification;
 * each test uses organizations of its own, and closes its cache.
 * @example portContracts.cache(test, () => redisCache({ url }))
 */
export function cacheContract(test: TestFunction, make: () => Cache | Promise<Cache>): void {
  for (const { says, holds } of [...clauses, ...cacheValueClauses]) {
    test(`cache: ${says}`, async () => {
      const cache = await make()
      try {
        await holds(cache)
      } finally {
        await cache.close?.()
      }
    })
  }
}

const clauses: readonly Clause<Cache>[] = [
  {
    says: 'gives what was set until it is deleted, and nothing otherwise',
    async holds(cache) {
      const address = { organization: freshName('acme'), kind: 'stats', key: 'day' }
      assert.equal(await cache.get(address), undefined)
      await cache.set(address, { sent: 1 })
      assert.deepEqual(await cache.get(address), { sent: 1 })
      await cache.set(address, { sent: 2 })
      assert.deepEqual(await cache.get(address), { sent: 2 })
      await cache.delete(address)
      assert.equal(await cache.get(address), undefined)
    },
  },
  {
    says: 'loads once, however many ask at once, and gives what it loaded afterwards',
    async holds(cache) {
      const address = { organization: freshName('acme'), kind: 'stats', key: 'day' }
      let loads = 0
      const load = async (): Promise<number> => {
        await Promise.resolve()
        return (loads += 1)
      }
      const all = await Promise.all(Array.from({ length: 50 }, () => cache.wrap(address, load)))
      assert.deepEqual([...new Set(all), await cache.wrap(address, load), await cache.get(address)], [1, 1, 1])
    },
  },
  {
    says: 'gives the rejection of a loader to all who wait, and does not keep it',
    async holds(cache) {
      const address = { organization: freshName('acme'), kind: 'stats', key: 'day' }
      const failure = new Error('the database is away')
      const fail = (): never => {
        throw failure
      }
      const all = await Promise.all([1, 2, 3].map(() => rejectionOf(cache.wrap(address, fail))))
      assert.ok(all.every((error) => error === failure))
      assert.equal(await cache.wrap(address, () => 7), 7)
    },
  },
  {
    says: 'forgets what is invalidated: a scope, or all, and no more',
    async holds(cache) {
      const [organization, other] = [freshName('acme'), freshName('globex')]
      const addresses = ['stats', 'distributions', 'trends', 'counts', 'search'].flatMap((kind) =>
        [organization, other].map((of) => ({ organization: of, kind, key: 'day' })),
      )
      const known = async (): Promise<string[]> => {
        const found = await Promise.all(addresses.map((address) => cache.get(address)))
        return addresses.flatMap(({ organization: of, kind }, index) =>
          found[index] === undefined || of === other ? [] : [kind],
        )
      }
      const gone: Record<string, string[]> = {
        stats: ['counts', 'search'],
        counts: ['stats', 'distributions', 'trends', 'search'],
        search: ['stats', 'distributions', 'trends', 'counts'],
        all: [],
      }
      for (const scope of ['stats', 'counts', 'search', 'all'] as const) {
        for (const address of addresses) await cache.set(address, 1)
        await cache.invalidate({ organization, scope })
        assert.deepEqual(await known(), gone[scope])
        assert.equal(await cache.get({ organization: other, kind: 'stats', key: 'day' }), 1)
      }
    },
  },
  {
    says: 'never gives what was being loaded when it was invalidated, deleted or set to who asks afterwards',
    async holds(cache) {
      const address = { organization: freshName('acme'), kind: 'counts', key: 'day' }
      const changes: readonly (readonly [change: () => Promise<void>, after: unknown])[] = [
        [() => cache.invalidate({ organization: address.organization, scope: 'counts' }), 'new'],
        [() => cache.invalidate({ organization: address.organization, scope: 'all' }), 'new'],
        [() => cache.delete(address), 'new'],
        [() => cache.set(address, 'set'), 'set'],
      ]
      const asks = ['before it was loaded', 'afterwards'] as const
      for (const [change, after, asked] of changes.flatMap((each) => asks.map((when) => [...each, when] as const))) {
        await cache.invalidate({ organization: address.organization, scope: 'all' })
        let finish = (_value: string): void => {}
        let loads = 0
        const slow = cache.wrap(address, () => {
          loads += 1
          return loads > 1 ? 'new' : new Promise<string>((resolve) => (finish = resolve))
        })
        await eventually(() => loads > 0, 'the loader is run')
        await change()
        // Whoever asks takes the load over, so that what was loaded cannot be kept: where nobody does, it must be refused.
        const early = asked === 'before it was loaded' ? cache.wrap(address, () => 'new') : undefined
        finish('old')
        if (early !== undefined) assert.equal(await early, after)
        await slow
        assert.equal(await cache.wrap(address, () => 'new'), after)
      }
    },
  },
  {
    says: 'keeps organizations, kinds and keys apart, whatever they hold',
    async holds(cache) {
      const odd = [':', '::', '{}', '}{', '%7D', 'a:stats', ' ', 'Grüße 🚀', '\0\r\n', '__proto__', 'e', 'l', 'l:l']
      const run = freshName('')
      const addresses = odd.flatMap((organization) =>
        odd.flatMap((key) => ['stats', 'counts'].map((kind) => ({ organization: organization + run, kind, key }))),
      )
      await Promise.all(addresses.map((address) => cache.set(address, address)))
      for (const address of addresses) assert.deepEqual(await cache.get(address), address)
    },
  },
  {
    says: 'gives a function like the loader that asks the cache first',
    async holds(cache) {
      const organization = freshName('acme')
      let loads = 0
      const overview = cache.cached(
        {
          kind: 'stats',
          organization: (of: string, _days: number) => of,
          key: (_of: string, days: number) => `overview:${days}`,
        },
        async (_of: string, days: number) => ({ days, load: (loads += 1) }),
      )
      assert.deepEqual(await overview(organization, 7), { days: 7, load: 1 })
      assert.deepEqual(await overview(organization, 7), { days: 7, load: 1 })
      assert.deepEqual(await overview(organization, 30), { days: 30, load: 2 })
    },
  },
  {
    says: 'rejects what cannot be meant',
    async holds(cache) {
      const address = { organization: 'acme', kind: 'stats', key: 'day' }
      const bad: readonly object[] = [{ organization: '' }, { kind: 'unknown' }, { key: '' }, { key: 'x'.repeat(513) }]
      for (const part of [...bad, { organization: 7 }, { kind: undefined }, { key: null }, { key: '\ud800' }]) {
        const given: typeof address = { ...address, ...part }
        const calls = [
          () => cache.get(given),
          () => cache.set(given, 1),
          () => cache.delete(given),
          () => cache.wrap(given, () => 1),
        ]
        for (const call of calls) assert.ok((await rejectionOf(call())) instanceof ConfigError)
      }
      const scope: string = 'everything'
      const all = cache.invalidate({ organization: 'acme', scope: scope as 'all' })
      assert.ok((await rejectionOf(all)) instanceof ConfigError)
      for (const ttlMs of [0, -1, Number.NaN, Infinity, 2 ** 40])
        assert.ok((await rejectionOf(cache.set(address, 1, { ttlMs }))) instanceof ConfigError)
    },
  },
  {
    says: 'counts how it is used, by tier and by kind',
    async holds(cache) {
      const address = { organization: freshName('acme'), kind: 'search', key: 'day' }
      await cache.wrap(address, () => 'found')
      await cache.get(address)
      const { hits, misses, loads, entries, bytes, hitRate, kinds } = cache.stats()
      assert.deepEqual([hits, misses, loads, entries, hitRate], [1, 1, 1, 1, 0.5])
      assert.ok(bytes > 0)
      assert.deepEqual([kinds['search']?.hits, kinds['stats']?.hits], [1, 0])
    },
  },
]
