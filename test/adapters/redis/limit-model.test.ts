import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { memoryWindows } from '../../../src/adapters/memory/limiter.ts'
import { redisConnection } from '../../../src/adapters/redis/connection.ts'
import { checkScript } from '../../../src/adapters/redis/limit-scripts.ts'
import { redisWindows } from '../../../src/adapters/redis/limiter.ts'
import { systemClock, type Clock } from '../../../src/ports/clock.ts'
import type { Decision, LimitStore } from '../../../src/ports/limiter.ts'
import { checkLimits } from '../../../src/ports/limits.ts'
import { systemRandom } from '../../../src/ports/random.ts'
import { redisOfFile } from '../../servers/redis-of-file.ts'

const redis = redisOfFile()

/** No window is over, by Redis' own clock, before a case is. */
const limits = {
  few: { limit: 3, windowMs: 10_000 },
  exact: { limit: 100, windowMs: 3_600_000 },
  many: { limit: 101, windowMs: 20_000 },
  huge: { limit: 1_000_000, windowMs: 86_400_000 },
}
/** A server's clock that the test sets, in microseconds. */
const testTime = `(function()
  local us = tonumber(redis.call('GET', 'clock'))
  return { math.floor(us / 1000000), us % 1000000 }
end)()`
const startUs = 1_795_000_000_000_000

type Step =
  | { readonly do: 'check' | 'peek'; readonly names: readonly { readonly name: string; readonly cost: number }[] }
  | { readonly do: 'pass'; readonly ticks: number }
  | { readonly do: 'refund'; readonly which: number }
  | { readonly do: 'override'; readonly name: string; readonly limit: number | null; readonly windowMs: number }
  | { readonly do: 'reset'; readonly name: string }

const name = fc.constantFrom(...Object.keys(limits))
const names = fc.array(
  fc.record({ name, cost: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 1_000_001 })) }),
  {
    minLength: 1,
    maxLength: 3,
  },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('check' as const), names }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('peek' as const), names }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ticks: fc.integer({ min: 0, max: 400_000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ticks: fc.integer({ min: -4_000_000, max: 400_000_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ticks: fc.integer({ min: -1_000_000, max: 0 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('refund' as const), which: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('override' as const),
      name,
      limit: fc.option(fc.integer({ min: 1, max: 300 })),
      windowMs: fc.integer({ min: 10_000, max: 60_000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), name }) },
)

test('Redis decides as the reference model does, whatever is asked, given back, overridden, and however its clock steps', async () => {
  const parts = { clock: systemClock, random: systemRandom }
  const connection = redisConnection({ connection: redis.client }, parts, 'test')
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      let nowUs = startUs
      const clock: Clock = { ...systemClock, monotonic: () => nowUs / 1_000 }
      const model = memoryWindows({ limits, clock })
      const check = checkScript(testTime)
      const store = redisWindows({ connection, fleet: `model-${(run += 1)}`, limits: checkLimits(limits), check })
      const decisions: { ours: Decision; theirs: Decision }[] = []
      for (const each of steps) {
        if (each.do === 'pass') nowUs += each.ticks * 10
        await redis.client.set('clock', nowUs)
        const [ours, theirs] = [
          await play(store, each, decisions, 'ours'),
          await play(model, each, decisions, 'theirs'),
        ]
        if (ours === undefined || theirs === undefined) continue
        expect(facts(ours)).toEqual(facts(theirs))
        if (each.do === 'check') decisions.push({ ours, theirs })
      }
    }),
    { numRuns: 150 },
  )
})

async function play(
  limiter: LimitStore,
  given: Step,
  decisions: readonly { ours: Decision; theirs: Decision }[],
  side: 'ours' | 'theirs',
): Promise<Decision | undefined> {
  if (given.do === 'check' || given.do === 'peek') return limiter[given.do]('acme', given.names)
  if (given.do === 'reset') await limiter.reset('acme', given.name)
  if (given.do === 'override') {
    const { limit, windowMs } = given
    await limiter.override('acme', { [given.name]: limit === null ? null : { limit, windowMs } })
  }
  const decision = given.do === 'refund' ? decisions[given.which]?.[side] : undefined
  if (decision !== undefined) await limiter.refund(decision)
  return undefined
}

function facts({ headers: _headers, ...rest }: Decision): unknown {
  return rest
}
