import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import type { Law } from '../law.ts'
import { virtualClock } from '../virtual-clock.ts'
import { cacheInstance, type CacheSubject } from './cache-subject.ts'

export interface LoadsScenario {
  readonly seed: number
  readonly instances: number
  readonly callers: readonly { readonly instance: number; readonly afterMs: number }[]
  readonly loadMs: number
  readonly fails: boolean
}

const address = { organization: 'acme', kind: 'stats', key: 'day' }
const kinds = { stats: { ttlMs: 60_000, scope: 'stats' } } as const

/** `cache.one-load` */
export function oneLoadLaw(subject: CacheSubject): Law<LoadsScenario> {
  return {
    name: 'cache.one-load',
    says: 'a key is loaded once, whoever asks on however many instances; a rejection reaches all who wait for it',
    cases: fc.integer({ min: 1, max: 4 }).chain((instances) =>
      fc.record({
        seed: fc.integer(),
        instances: fc.constant(instances),
        callers: fc.array(
          fc.record({ instance: fc.integer({ min: 0, max: instances - 1 }), afterMs: fc.integer({ min: 0, max: 30 }) }),
          { minLength: 2, maxLength: 20 },
        ),
        loadMs: fc.integer({ min: 0, max: 1_500 }),
        fails: fc.boolean(),
      }),
    ),
    async holds({ seed, instances: count, callers, loadMs, fails }) {
      const clock = virtualClock()
      const shared = subject.shared(clock)
      const parts = { subject, clock, kinds, patient: true }
      const instances = Array.from({ length: count }, (_, index) =>
        cacheInstance(shared, { ...parts, seed: seed + index }),
      )
      await clock.advanceBy(100)
      let [loads, waiting] = [0, 0]
      const failures: Error[] = []
      const load = async (): Promise<number> => {
        loads += 1
        await clock.sleep(loadMs)
        if (!fails) return 7
        const failure = new Error(`load ${loads} failed`)
        failures.push(failure)
        throw failure
      }
      const ends: Promise<unknown>[] = []
      for (const { instance, afterMs } of callers) {
        await clock.advanceBy(afterMs)
        if (ends.length > 0) waiting += 1
        const read = instances[instance]?.cache.wrap(address, load)
        if (read !== undefined) ends.push(read.catch((error: unknown) => error))
      }
      const found = await clock.runUntil(Promise.all(ends))
      if (fails) {
        for (const each of found)
          assert.ok(
            failures.some((failure) => failure === each),
            'a rejection was lost',
          )
        assert.ok(loads <= callers.length, 'a loader was run for nobody')
      } else {
        assert.deepEqual([...new Set(found)], [7])
        assert.equal(loads, 1)
      }
      return waiting > 0 && count > 1 ? 'held' : 'notExercised'
    },
  }
}
