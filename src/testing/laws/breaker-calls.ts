import { strict as assert } from 'node:assert'
import { getEventListeners } from 'node:events'
import * as fc from 'fast-check'
import { memoryLog } from '../../adapters/memory/event-log.ts'
import { BreakerOpenError } from '../../kernel/errors.ts'
import type { CircuitBreaker } from '../../machines/breaker.ts'
import type { Permit } from '../../machines/permit.ts'
import { proposalJitterMs } from '../../machines/proposer.ts'
import { fleetOfBreakers, type TestedInstance } from '../fleet-of-breakers.ts'
import type { FleetScript } from '../fleet-script.ts'
import { fleetStory } from '../fleet-story.ts'
import type { Law, Verdict } from '../law.ts'
import { playFleet } from '../play-fleet.ts'
import { seededRandom } from '../seeded-random.ts'
import type { Subject } from '../verify/subject.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'
import { assertRefused, type HandledCase, handledCases, playHandled } from './handled-calls.ts'
import { onSubject } from './on-subject.ts'
import { leasesIn } from './probe.ts'

const refusesScripts: Law<FleetScript> = onSubject(({ fleets }) => ({
  name: 'breaker.refuses',
  says: 'while open or half-open, no call reaches the dependency but that of whoever holds the lease, or probes for itself',
  cases: fleets({ logs: ['sound', 'faulty', 'lossy'] }),
  story: fleetStory,
  async holds(script) {
    const { calls, refusals, epochs } = await playFleet(script)
    // Of a log that is gone by now, whose state holds until the new one has said where the fleet stands.
    const former = epochs.slice(0, -1).flatMap(leasesIn)
    for (const { instance, probe, fleet, mode, scope } of calls) {
      const who = `${instance.name}, ${mode} (${scope}),`
      if (probe === undefined) {
        assert.ok(mode === 'closed' || mode === 'disabled', `${who} let a call through that is no probe`)
        continue
      }
      const token = `${probe.term}.${probe.attempt}`
      // Also while its link goes down, and what its own gate says is changing: the lease is the log's word.
      const { lease, term } = fleet
      if (lease?.holder === instance.name && `${term}.${lease.attempt}` === token) continue
      if (former.some((of) => of.holder === instance.name && of.token === token)) continue
      assert.deepEqual([mode, scope], ['halfOpen', 'local'], `${who} ran the probe ${token} without its lease`)
    }
    return refusals > 0 ? 'held' : 'notExercised'
  },
}))

/** `breaker.refuses` */
export const refuses: Law<FleetScript> = {
  ...refusesScripts,
  for: (subject) => refusesHandlers((refusesScripts.for?.(subject) ?? refusesScripts) as Law<FleetScript>, subject),
}

/** With handlers also: what these do once their call is over. */
function refusesHandlers(own: Law<FleetScript>, subject: Subject): Law<FleetScript | HandledCase> {
  if (subject.breakers.every(({ handler }) => handler === undefined)) return own
  return {
    name: own.name,
    says: `${own.says}; nor does a handler go on when its call is over`,
    cases: fc.oneof(own.cases, handledCases(subject)),
    holds: async (given) =>
      'calls' in given ? assertRefused(given, await playHandled(subject, given)) : own.holds(given),
    story: async (given) => ('calls' in given ? (await playHandled(subject, given)).told : fleetStory(given)),
  }
}

type CountedStep =
  | { readonly do: 'begin'; readonly through: 'run' | 'permit' | 'signal' }
  | { readonly do: 'end'; readonly which: number; readonly as: 'success' | 'failure' | 'ignored' | 'aborted' }
  | { readonly do: 'disable' | 'forceOpen' | 'release' | 'wait' | 'probe' | 'longProbe' }

const begun: CountedStep = { do: 'begin', through: 'run' }
const failing: CountedStep = { do: 'end', which: 0, as: 'failure' }
/** Two calls are under way still when the breaker has opened and its probe is running. */
const overtaken: readonly CountedStep[] = [
  ...[begun, begun, begun, begun, begun, failing, failing, failing],
  { do: 'wait' },
  { do: 'longProbe' },
]

/** `breaker.generation` */
export const generation: Law<readonly CountedStep[]> = {
  name: 'breaker.generation',
  says: 'outcomes of calls that were admitted before the gate last changed count nowhere, nor do ignored and aborted ones',
  cases: fc
    .tuple(fc.constantFrom([], [], overtaken), fc.array(countedSteps(), { minLength: 5, maxLength: 40, size: 'max' }))
    .map(([first, steps]) => [...first, ...steps]),
  async holds(steps) {
    const { clock, instance, breaker } = await oneBreaker({
      failureThreshold: 3,
      recoveryTimeoutMs: 1_000,
      probe: { leaseMs: 5_000 },
    })
    const open: (UnderWay & { readonly generation: number })[] = []
    let model = { generation: 0, calls: 0, failures: 0, consecutiveFailures: 0 }
    let late = 0
    for (const step of steps) {
      if (step.do === 'begin') {
        const begun = begin(breaker, step.through)
        if (begun !== undefined) open.push({ ...begun, generation: instance.transitions.length })
      } else if (step.do === 'end') {
        const [ended] = open.splice(step.which % Math.max(1, open.length), 1)
        if (ended === undefined) continue
        const counts = ended.generation === instance.transitions.length && breaker.state.mode === 'closed'
        if (!counts) late++
        const changes = instance.transitions.length
        ended.end(step.as)
        await clock.settle()
        // Nor do they decide anything: least of all for a probe that is just under way.
        if (!counts) assert.equal(instance.transitions.length, changes, `a late ${step.as} changed the gate`)
        if (counts) model = counted(model, step.as)
      } else await operate(clock, breaker, step.do)

      const now = instance.transitions.length
      if (now !== model.generation) model = { generation: now, calls: 0, failures: 0, consecutiveFailures: 0 }
      const { mode, counts } = breaker.state
      if (mode === 'closed' || mode === 'disabled')
        assert.deepEqual({ generation: now, ...counts }, { slow: 0, ...model }, `after ${JSON.stringify(step)}`)
    }
    return late > 0 ? 'held' : 'notExercised'
  },
}

interface CallsCase {
  readonly calls: readonly ('success' | 'failure' | 'ignored')[]
  readonly window: 'calls' | 'ms' | 'none'
  readonly names: number
}

/** `breaker.bounded` */
export const bounded: Law<CallsCase> = {
  name: 'breaker.bounded',
  says: 'calls leave nothing behind: no timer, no listener, no message, no breaker beyond its bound',
  cases: fc.record({
    calls: fc.array(fc.constantFrom('success', 'success', 'failure', 'ignored'), { minLength: 20, maxLength: 80 }),
    window: fc.constantFrom('calls', 'ms', 'none'),
    names: fc.integer({ min: 1, max: 5 }),
  }),
  async holds({ calls, window, names }): Promise<Verdict> {
    const over = window === 'calls' ? { calls: 10 } : { ms: 1_000 }
    const failureRate = { over, threshold: 1, minimumCalls: 1_000 }
    const options = { failureThreshold: false, timeoutMs: 5_000, ...(window !== 'none' && { failureRate }) } as const
    const { clock, instance, log } = await oneBreaker(options)
    const { signal } = new AbortController()
    for (const [at, end] of calls.entries()) {
      const breaker = instance.breaker(`breaker ${at % names}`)
      await breaker.run(() => ended(end), { signal }).catch(() => {})
      const permit = breaker.tryAcquire()
      assert.ok(!(permit instanceof BreakerOpenError))
      permit.failure(new Error('down'))
    }
    assert.equal(clock.pendingTimers, 0, 'timers are left')
    assert.equal(getEventListeners(signal, 'abort').length, 0, 'listeners are left')
    assert.deepEqual([log.length, instance.readings.length], [0, 0], 'calls were written into the log')
    return 'held'
  },
}

interface UnderWay {
  readonly end: (as: 'success' | 'failure' | 'ignored' | 'aborted') => void
}

/** A call that is let through and under way; none where it is refused, or would be a probe. */
function begin(breaker: CircuitBreaker, through: 'run' | 'permit' | 'signal'): UnderWay | undefined {
  const { mode } = breaker.state
  if (mode !== 'closed' && mode !== 'disabled') return undefined
  if (through === 'permit') return underPermit(breaker.tryAcquire())
  const giveUp = new AbortController()
  let finish: (as: 'success' | 'failure' | 'ignored') => void = () => {}
  const work = new Promise<void>((resolve, reject) => {
    finish = (as) => void ended(as).then(resolve, reject)
  })
  breaker.run(() => work, through === 'signal' ? { signal: giveUp.signal } : {}).catch(() => {})
  return {
    end: (as) => {
      if (as !== 'aborted') finish(as)
      else if (through === 'signal') giveUp.abort(new Error('the caller left'))
      else finish('ignored')
    },
  }
}

function underPermit(permit: Permit | BreakerOpenError): UnderWay | undefined {
  if (permit instanceof BreakerOpenError) return undefined
  return {
    end: (as) => {
      if (as === 'success') permit.success()
      else if (as === 'failure') permit.failure()
      else permit.ignore()
      // Only the first word counts.
      permit.failure()
    },
  }
}

function counted<M extends { calls: number; failures: number; consecutiveFailures: number }>(model: M, as: string): M {
  if (as === 'ignored' || as === 'aborted') return model
  const failed = as === 'failure'
  return {
    ...model,
    calls: model.calls + 1,
    failures: model.failures + (failed ? 1 : 0),
    consecutiveFailures: failed ? model.consecutiveFailures + 1 : 0,
  }
}

async function operate(
  clock: VirtualClock,
  breaker: CircuitBreaker,
  what: 'disable' | 'forceOpen' | 'release' | 'wait' | 'probe' | 'longProbe',
): Promise<void> {
  if (what === 'wait') return clock.advanceBy(1_200)
  if (what === 'longProbe') {
    if (breaker.state.mode === 'open') breaker.run(() => new Promise<never>(() => {})).catch(() => {})
    return clock.advanceBy(proposalJitterMs)
  }
  const order = { by: 'an operator', reason: 'test' }
  if (what === 'probe') {
    const { mode } = breaker.state
    if (mode === 'open' || mode === 'halfOpen') await clock.runUntil(breaker.run(() => {}).catch(() => {}))
  } else await clock.runUntil(breaker[what](order))
  await clock.settle()
}

function countedSteps(): fc.Arbitrary<CountedStep> {
  const as = fc.constantFrom('success', 'failure', 'failure', 'failure', 'ignored', 'aborted')
  return fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('begin'), through: fc.constantFrom('run', 'permit', 'signal') }),
    },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('end'), which: fc.nat(9), as }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('wait', 'probe', 'wait', 'longProbe') }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('disable', 'forceOpen', 'release', 'release') }) },
  ) as fc.Arbitrary<CountedStep>
}

async function ended(as: 'success' | 'failure' | 'ignored'): Promise<void> {
  if (as === 'failure') throw new Error('down')
  if (as === 'ignored') throw Object.assign(new Error('no descriptors'), { code: 'EMFILE' })
}

async function oneBreaker(options: Parameters<typeof fleetOfBreakers>[0]['options']): Promise<{
  readonly clock: VirtualClock
  readonly instance: TestedInstance
  readonly breaker: CircuitBreaker
  readonly log: readonly unknown[]
}> {
  const clock = virtualClock({ startAt: 1_000_000 })
  const random = seededRandom(1)
  const log = memoryLog({ clock, random })
  const fleet = fleetOfBreakers({ instances: 1, clockOf: () => clock, random, log, options })
  const [instance] = fleet.instances
  assert.ok(instance !== undefined)
  await clock.settle()
  return { clock, instance, breaker: instance.breaker('smtp'), log: fleet.stored }
}
