import { strict as assert } from 'node:assert'
import { ConfigError } from '../../kernel/errors.ts'
import type { Cache } from '../../streams/cache/two-tier-cache.ts'
import { type Clause, eventually, freshName, rejectionOf } from './contract.ts'

/** What the contract of a cache says of values: their types, their times, and whose they are. */
export const cacheValueClauses: readonly Clause<Cache>[] = [
  {
    says: 'keeps the types of values',
    async holds(cache) {
      const organization = freshName('acme')
      for (const [index, value] of typedValues().entries()) {
        const [set, wrapped] = [`set ${index}`, `wrapped ${index}`].map((key) => ({ organization, kind: 'stats', key }))
        if (set === undefined || wrapped === undefined) return
        await cache.set(set, value)
        assert.deepStrictEqual(await cache.get(set), value)
        assert.deepStrictEqual(await cache.wrap(wrapped, () => value), value)
        assert.deepStrictEqual(await cache.get(wrapped), value)
      }
    },
  },
  {
    says: 'gives an instance of a class as a plain object',
    async holds(cache) {
      const address = { organization: freshName('acme'), kind: 'stats', key: 'day' }
      class Money {
        readonly amount = 7
      }
      assert.deepStrictEqual(await cache.wrap<object>(address, () => new Money()), { amount: 7 })
    },
  },
  {
    says: 'refuses to set what cannot be kept, and gives what a loader loaded as it is',
    async holds(cache) {
      const address = { organization: freshName('acme'), kind: 'stats', key: 'day' }
      const unkeepable = { call: () => 7 }
      assert.ok((await rejectionOf(cache.set(address, unkeepable))) instanceof ConfigError)
      assert.equal(await cache.wrap(address, () => unkeepable), unkeepable)
      assert.equal(await cache.get(address), undefined)
    },
  },
  {
    says: 'remembers that there is nothing',
    async holds(cache) {
      const address = { organization: freshName('acme'), kind: 'stats', key: 'day' }
      let loads = 0
      const find = (): undefined => {
        loads += 1
      }
      for (let read = 0; read < 3; read += 1) assert.equal(await cache.wrap(address, find), undefined)
      assert.equal(loads, 1)
    },
  },
  {
    says: 'is not reached by what is done with a value afterwards',
    async holds(cache) {
      const address = { organization: freshName('acme'), kind: 'stats', key: 'day' }
      const kept = () => ({ at: new Date(0), list: [1], bytes: new Uint8Array([1, 2, 3]), tail: Buffer.from('tail') })
      const spoil = ({ at, bytes, tail }: ReturnType<typeof kept>): void => {
        at.setTime(5)
        bytes.fill(9)
        tail.fill('x')
      }
      const loaded = kept()
      const first = await cache.wrap(address, () => loaded)
      loaded.list.push(2)
      spoil(loaded)
      assert.deepEqual(first, kept())
      spoil(first)
      for (let read = 0; read < 3; read += 1) {
        const given = await cache.wrap(address, () => loaded)
        assert.deepEqual(given, kept())
        spoil(given)
      }
    },
  },
  {
    says: 'keeps a value for as long as it is told to',
    async holds(cache) {
      const address = { organization: freshName('acme'), kind: 'stats', key: 'day' }
      await cache.set(address, 1, { ttlMs: 250 })
      let isGone = false
      const look = async (): Promise<void> => {
        isGone = (await cache.get(address)) === undefined
      }
      let looking = look()
      await eventually(() => {
        looking = looking.then(look)
        return isGone
      }, 'the value is gone')
      await looking
    },
  },
]

function typedValues(): readonly unknown[] {
  const cyclic: { self?: unknown; list: unknown[] } = { list: [] }
  cyclic.self = cyclic
  cyclic.list.push(cyclic)
  const sparse: unknown[] = []
  sparse[3] = 'three'
  return [
    null,
    false,
    '',
    'Grüße 🚀',
    Number.NaN,
    -0,
    -Infinity,
    2n ** 80n,
    new Date(1_700_000_000_123),
    /a+b/giu,
    new Map<unknown, unknown>([
      ['a', 1],
      [{ b: 2 }, new Map([[1, undefined]])],
    ]),
    new Set([1, '1', undefined]),
    new Uint8Array([1, 2, 255]),
    new Float64Array([0.1, -0, Number.NaN]),
    new BigInt64Array([-1n]),
    new Uint8Array([1, 2, 3]).buffer,
    new RangeError('no'),
    { there: undefined, nested: { deep: [undefined, null, -0] } },
    sparse,
    cyclic,
    Array.from({ length: 200_000 }, (_, index) => index),
    'x'.repeat(5 * 1_048_576),
  ]
}
