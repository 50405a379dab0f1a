import { describe, expect, test } from 'vitest'
import { memoryCache } from '../../../src/index.ts'
import type { Cache } from '../../../src/streams/cache/two-tier-cache.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'

describe('the cache in memory keeps the contract', () => {
  portContracts.cache(test, () => memoryCache())
})

describe('the cache in memory keeps the contract, with copies of values', () => {
  portContracts.cache(test, () => memoryCache({ values: 'cloned' }))
})

describe('the contract is broken by a cache', () => {
  const plants: readonly [what: string, sentence: RegExp, change: (cache: Cache) => Partial<Cache>][] = [
    ['that loads for everybody', /loads once/, () => ({ wrap: async (_address, loader) => loader() })],
    ['that forgets nothing', /forgets what is invalidated/, () => ({ invalidate: async () => {} })],
    [
      'that forgets everything',
      /forgets what is invalidated/,
      ({ invalidate }) => ({ invalidate: ({ organization }) => invalidate({ organization, scope: 'all' }) }),
    ],
    [
      'that keeps what was loaded before',
      /never gives what was being loaded/,
      ({ wrap, set }) => ({
        async wrap(address, loader) {
          const value = await wrap(address, loader)
          await set(address, value)
          return value
        },
      }),
    ],
    [
      'that joins names',
      /keeps organizations, kinds and keys apart/,
      ({ get, set }) => {
        const joined = ({ organization, kind, key }: Parameters<Cache['get']>[0]) => ({
          organization: 'all',
          kind: 'stats',
          key: `${organization}:${kind}:${key}`.replaceAll('::', ':'),
        })
        return { get: (address) => get(joined(address)), set: (address, value) => set(joined(address), value) }
      },
    ],
    [
      'that keeps JSON',
      /keeps the types/,
      ({ set }) => ({ set: (address, value) => set(address, JSON.parse(JSON.stringify(value) ?? 'null')) }),
    ],
    [
      'that keeps a failure',
      /gives the rejection/,
      ({ wrap }) => ({ wrap: (address, loader) => wrap(address, async () => loader()).catch(() => 'failed' as never) }),
    ],
    [
      'that keeps values for ever',
      /for as long as it is told/,
      ({ set }) => ({ set: (address, value) => set(address, value) }),
    ],
    ['that counts nothing', /counts how it is used/, () => ({ stats: () => memoryCache().stats() })],
  ]

  test.each(plants)('%s', async (_what, sentence, change) => {
    const failures: string[] = []
    const tests: [name: string, run: () => Promise<void>][] = []
    portContracts.cache(
      (name, run) => tests.push([name, run]),
      () => {
        const sound = memoryCache()
        return { ...sound, ...change(sound) }
      },
    )
    for (const [name, run] of tests) await run().catch(() => failures.push(name))
    expect(failures).toContainEqual(expect.stringMatching(sentence))
  })
})
