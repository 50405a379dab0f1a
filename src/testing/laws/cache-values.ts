import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { ConfigError } from '../../kernel/errors.ts'
import type { Address } from '../../ports/cache.ts'
import type { Law } from '../law.ts'
import { virtualClock } from '../virtual-clock.ts'
import { cacheInstance, type CacheSubject, delayMsMax } from './cache-subject.ts'

const kinds = {
  stats: { ttlMs: 60_000, scope: 'stats' },
  'a:b': { ttlMs: 60_000, scope: 'counts' },
  a: { ttlMs: 60_000, scope: 'counts' },
  b: { ttlMs: 60_000, scope: 'counts' },
} as const

export interface IsolationScenario {
  readonly seed: number
  readonly ours: readonly Address[]
  readonly theirs: readonly { readonly address: Address; readonly does: 'wrap' | 'set' | 'delete' | 'invalidate' }[]
}

/** Names that are the same once somebody joins them without care. */
const names = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.array(fc.constantFrom('a', 'b', ':'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
  },
  fc.constantFrom('A', '{a}', 'a}', '%3A', 'e', 'l', '__proto__'),
  fc.string({ minLength: 1, maxLength: 3 }),
)
const addressesOf = (organizations: fc.Arbitrary<string>): fc.Arbitrary<Address> =>
  fc.record({ organization: organizations, kind: fc.constantFrom('a:b', 'a', 'b'), key: names })

/** `cache.isolated` */
export function isolatedLaw(subject: CacheSubject): Law<IsolationScenario> {
  return {
    name: 'cache.isolated',
    says: 'what is done to one organization changes nothing of another, and no two addresses are the same place',
    cases: fc.uniqueArray(names, { minLength: 2, maxLength: 4 }).chain(([own = 'own', ...others]) =>
      fc.record({
        seed: fc.integer(),
        ours: fc.uniqueArray(addressesOf(fc.constant(own)), {
          minLength: 1,
          maxLength: 5,
          selector: (address) => JSON.stringify(address),
        }),
        theirs: fc.array(
          fc.record({
            address: addressesOf(fc.constantFrom(...others)),
            does: fc.constantFrom('wrap' as const, 'set' as const, 'delete' as const, 'invalidate' as const),
          }),
          { minLength: 1, maxLength: 8 },
        ),
      }),
    ),
    async holds({ seed, ours, theirs }) {
      const clock = virtualClock()
      const shared = subject.shared(clock)
      const parts = { subject, clock, kinds, patient: true }
      const [one, other] = [0, 1].map((index) => cacheInstance(shared, { ...parts, seed: seed + index }).cache)
      if (one === undefined || other === undefined) return 'notExercised'
      await clock.advanceBy(100)
      const play = <T>(promise: Promise<T>): Promise<T> => clock.runUntil(promise)
      for (const address of ours) await play(one.wrap(address, () => labelOf(address)))
      for (const { address, does } of theirs) {
        const { organization } = address
        if (does === 'wrap') assert.equal(await play(other.wrap(address, () => labelOf(address))), labelOf(address))
        else if (does === 'set') await play(other.set(address, labelOf(address)))
        else if (does === 'delete') await play(other.delete(address))
        else await play(other.invalidate({ organization, scope: 'all' }))
      }
      await clock.advanceBy(100)
      for (const cache of [one, other])
        for (const address of ours)
          assert.equal(await play(cache.wrap(address, () => 'lost')), labelOf(address), 'it was changed by another')
      return theirs.some(({ does }) => does !== 'wrap') ? 'held' : 'notExercised'
    },
  }
}

function labelOf({ organization, kind, key }: Address): string {
  return JSON.stringify([organization, kind, key])
}

export interface AgeScenario {
  readonly seed: number
  readonly ttlMs: number
  readonly staleMs: number | undefined
  readonly steps: readonly {
    readonly afterMs: number
    readonly instance: 0 | 1
    /** How long the loader of a read takes; `invalidate` for an invalidation instead. */
    readonly does: number | 'invalidate'
  }[]
}

/** `cache.bounded-staleness` */
export function boundedStalenessLaw(subject: CacheSubject): Law<AgeScenario> {
  return {
    name: 'cache.bounded-staleness',
    says: 'no value is older than its time to live, nor than an invalidation that has had time to be told',
    cases: fc.record({
      seed: fc.integer(),
      ttlMs: fc.integer({ min: 50, max: 500 }),
      staleMs: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
      steps: fc.array(
        fc.record({
          afterMs: fc.integer({ min: 0, max: 150 }),
          instance: fc.constantFrom(0 as const, 1 as const),
          does: fc.oneof(
            { weight: 7, arbitrary: fc.integer({ min: 0, max: 30 }) },
            { weight: 1, arbitrary: fc.constant('invalidate' as const) },
          ),
        }),
        { minLength: 5, maxLength: 40, size: 'max' },
      ),
    }),
    async holds({ seed, ttlMs, staleMs, steps }) {
      const clock = virtualClock()
      const shared = subject.shared(clock)
      const parts = { subject, clock, kinds: { stats: { ttlMs, scope: 'stats', staleMs } } as const }
      const caches = [0, 1].map((index) => cacheInstance(shared, { ...parts, seed: seed + index }).cache)
      const address = { organization: 'acme', kind: 'stats', key: 'day' }
      const most = ttlMs + (staleMs ?? 0) + toldWithinMs
      const reads: Promise<AgedRead>[] = []
      const invalidatedAt: number[] = []
      for (const { afterMs, instance, does } of steps) {
        await clock.advanceBy(afterMs)
        const [cache, began] = [caches[instance], clock.monotonic()]
        if (cache === undefined) continue
        if (does === 'invalidate') {
          invalidatedAt.push(began)
          // It rejects where the answer takes too long; it is done and told all the same.
          cache.invalidate({ organization: address.organization, scope: 'stats' }).catch(() => {})
          continue
        }
        const load = async (): Promise<number> => {
          await clock.sleep(does)
          return clock.monotonic()
        }
        // Of those that have had time to be told, the last.
        const toldAt = invalidatedAt.findLast((at) => at + toldWithinMs < began) ?? -Infinity
        reads.push(cache.wrap(address, load).then((loadedAt) => ({ began, loadedAt, toldAt })))
      }
      let oldest = 0
      for (const { began, loadedAt, toldAt } of await clock.runUntil(Promise.all(reads))) {
        assert.ok(loadedAt >= toldAt, `a value was served ${began - toldAt} ms after it was invalidated`)
        oldest = Math.max(oldest, began - loadedAt)
      }
      assert.ok(oldest <= most, `a value was ${oldest} ms old, ${most} ms is the most`)
      return oldest > ttlMs / 2 ? 'held' : 'notExercised'
    },
  }
}

interface AgedRead {
  readonly began: number
  readonly loadedAt: number
  /** When the last invalidation was asked for that everybody should have heard of as it began; -Infinity for none. */
  readonly toldAt: number
}

/** What is asked of the shared tier gets there, and what it tells gets everywhere. */
const toldWithinMs = 2 * delayMsMax

/** Any but the halves of pairs. fast-check's own, `unit: 'binary'`, takes more than a second to make, of every import. */
const character: fc.Arbitrary<string> = fc
  .oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code))

const values: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({
    values: [
      ...[fc.boolean(), fc.double(), fc.string({ unit: character }), fc.bigInt(), fc.constantFrom(null, undefined)],
      // One that is invalid is equal to no other.
      fc.date({ noInvalidDate: true }),
    ],
    withMap: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
  }),
  fc.constantFrom(undefined, null, -0, Number.NaN, /a/g, new TypeError('no')),
  fc.constantFrom(() => 7, Symbol('no'), { holds: () => 7 }, new WeakMap()),
)

/** `cache.types` */
export function typesLaw(subject: CacheSubject): Law {
  return {
    name: 'cache.types',
    says: 'what went in comes out on every instance, of the same type, or is refused',
    cases: values,
    async holds(value) {
      const clock = virtualClock()
      const shared = subject.shared(clock)
      const parts = { subject, clock, kinds, patient: true }
      const caches = [0, 1].map((seed) => cacheInstance(shared, { ...parts, seed }).cache)
      const address = { organization: 'acme', kind: 'stats', key: 'day' }
      const [one, other] = caches
      if (one === undefined || other === undefined) return 'notExercised'
      const refusal = await clock.runUntil(one.set(address, value)).catch((error: unknown) => error)
      if (refusal !== undefined) {
        assert.ok(refusal instanceof ConfigError, 'refused with another error')
        assert.equal(await clock.runUntil(one.wrap(address, () => value)), value)
        return 'notExercised'
      }
      for (const cache of [one, other, other, one])
        assert.deepStrictEqual(await clock.runUntil(cache.get(address)), value)
      return 'held'
    },
  }
}
