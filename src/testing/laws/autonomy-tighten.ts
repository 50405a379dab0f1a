import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import { BreakerOpenError } from '../../kernel/errors.ts'
import { fleetOfBreakers, type TestedInstance } from '../fleet-of-breakers.ts'
import type { BreakerOptions } from '../../machines/breaker-options.ts'
import type { Law } from '../law.ts'
import { seededRandom } from '../seeded-random.ts'
import { simulatedLog } from '../simulated-log.ts'
import { virtualClock } from '../virtual-clock.ts'
import { playable } from './on-subject.ts'

type TightenStep =
  | { readonly do: 'call'; readonly end: 'success' | 'failure' | 'ignored'; readonly by: 'run' | 'permit' }
  | { readonly do: 'cut' | 'heal' | 'loseMessages' | 'holdAppends' | 'slow' }
  | { readonly do: 'wait'; readonly ms: number }

interface TightenCase {
  readonly seed: number
  readonly options: BreakerOptions & { readonly failureThreshold: number }
  readonly latencyMs: number
  readonly steps: readonly TightenStep[]
}

const name = 'smtp'

/**
 * `autonomy.tighten-first`. Whatever the link does: once as many calls in a row have failed as the threshold says, or
 * the instance's own probe has, the next call is refused in the same tick, before anything was sent. The oracle counts
 * failures; it begins again where the instance's gate has changed. A link that goes down or comes up is no such change.
 */
export const tightenFirst: Law<TightenCase> = {
  ...tightenFirstFor(
    fc.record({
      failureThreshold: fc.integer({ min: 1, max: 4 }),
      quorum: fc.constantFrom(1, 1, 2),
      recoveryTimeoutMs: fc.constant(1_000),
      probe: fc.constant({ leaseMs: 1_000 }),
    }),
  ),
  for({ breakers }) {
    const counting = breakers.flatMap(({ options, settings: { failureThreshold } }) =>
      failureThreshold <= thresholdMax ? [{ ...playable(options), failureThreshold }] : [],
    )
    return counting.length === 0
      ? `no breaker counts up to ${thresholdMax} consecutive failures`
      : tightenFirstFor(fc.constantFrom(...counting))
  },
}

/** A case has about so many calls that fail in a row. */
const thresholdMax = 10

function tightenFirstFor(breakers: fc.Arbitrary<TightenCase['options']>): Law<TightenCase> {
  return {
    name: 'autonomy.tighten-first',
    says: 'a local trip precedes the next admission, and whatever crosses the network',
    cases: fc.record({
      seed: fc.nat(),
      options: breakers,
      latencyMs: fc.constantFrom(0, 5, 200),
      steps: fc.array(tightenSteps(), { minLength: 6, maxLength: 40, size: 'max' }),
    }),
    async holds({ seed, options, latencyMs, steps }) {
      const clock = virtualClock({ startAt: 1_000_000 })
      const random = seededRandom(seed)
      const log = simulatedLog({ clock, random, latencyMs: { min: 0, max: latencyMs } })
      const { failureThreshold: threshold } = options
      const fleet = fleetOfBreakers({ instances: 2, clockOf: () => clock, random, log, options })
      const [instance, other] = fleet.instances
      assert.ok(instance !== undefined && other !== undefined)
      for (const { breaker } of fleet.instances) breaker(name)
      let streak = 0
      let changes = 0
      let trips = 0
      for (const step of steps) {
        if (step.do === 'wait') await clock.advanceBy(step.ms)
        else if (step.do === 'holdAppends' || step.do === 'loseMessages') log[step.do](instance.name, 1)
        else if (step.do === 'slow') log.slow(instance.name, 2_000)
        else if (step.do !== 'call') log[step.do](instance.name)
        await clock.settle()
        if (step.do !== 'call') continue
        if (changes !== instance.transitions.length) streak = 0
        changes = instance.transitions.length
        const sent = instance.record.appends.length
        const { mode, scope } = instance.breaker(name).state
        const isOwnProbe = mode !== 'closed' && scope === 'local'
        let mustRefuse = false
        const passed = await call(instance, step, () => {
          if (step.end === 'ignored') return
          streak = step.end === 'failure' && mode === 'closed' ? streak + 1 : 0
          mustRefuse = streak >= threshold || (isOwnProbe && step.end === 'failure')
          if (!mustRefuse) return
          trips++
          const next = instance.breaker(name).tryAcquire()
          assert.ok(next instanceof BreakerOpenError, `a call was let through after ${streak} failures of ${threshold}`)
          assert.equal(instance.record.appends.length, sent, 'something was sent before')
        })
        await clock.settle()
        if (passed && mustRefuse) changes = instance.transitions.length
        if (mustRefuse) streak = 0
      }
      return trips > 0 ? 'held' : 'notExercised'
    },
  }
}

/** One call, if it is let through; `ended` is called as soon as its caller can know how. */
async function call(
  { breaker }: TestedInstance,
  { end, by }: TightenStep & { do: 'call' },
  ended: () => void,
): Promise<boolean> {
  const error = end === 'ignored' ? Object.assign(new Error('no descriptors'), { code: 'EMFILE' }) : new Error('down')
  if (by === 'run') {
    let begun = false
    const running = breaker(name).run(() => {
      begun = true
      if (end !== 'success') throw error
    })
    // A call that waits for its claim of the fleet's probe is for later.
    if (!begun) running.catch(() => {})
    else await running.then(ended, ended)
    return begun
  }
  const permit = breaker(name).tryAcquire()
  if (permit instanceof BreakerOpenError) return false
  if (end === 'success') permit.success()
  else permit.failure(error)
  ended()
  return true
}

function tightenSteps(): fc.Arbitrary<TightenStep> {
  const end = fc.constantFrom('success', 'failure', 'failure', 'failure', 'failure', 'ignored')
  return fc.oneof(
    { weight: 12, arbitrary: fc.record({ do: fc.constant('call'), end, by: fc.constantFrom('run', 'permit') }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('cut', 'heal') }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('loseMessages', 'holdAppends', 'slow') }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.constantFrom(1, 60, 300, 1_200, 5_000) }) },
  ) as fc.Arbitrary<TightenStep>
}
