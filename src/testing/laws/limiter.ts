import { strict as assert } from 'node:assert'
import * as fc from 'fast-check'
import type { LimitDefinition, Limits } from '../../ports/limiter.ts'
import type { Law } from '../law.ts'
import { type DeadlineScenario, deadlineLaw } from './limiter-deadline.ts'
import {
  anyLimits,
  costsOf,
  GrantLog,
  limiterOf,
  type LimiterScenario,
  remainingOf,
  type Request,
  scenariosFor,
  type SetLimiter,
} from './limiter-scenario.ts'

export type LimiterLawName = 'neverOver' | 'allOrNothing' | 'deadline' | 'recovers' | 'clockBack' | 'truthful'

/** The laws of rate limits, for the limits that `limits` generates: any at all, or `fc.constant(mine)`. */
export function limiterLawsOf(limits: fc.Arbitrary<Limits>): Readonly<Record<LimiterLawName, Law>> {
  return {
    neverOver: neverOver(limits),
    allOrNothing: allOrNothing(limits),
    deadline: deadlineLaw satisfies Law<DeadlineScenario>,
    recovers: recovers(limits),
    clockBack: clockBack(limits),
    truthful: truthful(limits),
  }
}

export const limiterLaws: Readonly<Record<LimiterLawName, Law>> = Object.freeze(configurable(limiterLawsOf(anyLimits)))

/** Each with how it is had for the limits of a configuration. */
function configurable(own: Readonly<Record<LimiterLawName, Law>>): Readonly<Record<LimiterLawName, Law>> {
  const one = (key: LimiterLawName): Law => ({
    ...own[key],
    for({ limits = {} }) {
      const all = Object.entries(limits)
      if (all.length === 0) return 'the configuration has no limits'
      if (all.length === 1 && key === 'allOrNothing') return 'there is one limit, and nothing that is asked with it'
      return limiterLawsOf(someOf(all))[key]
    },
  })
  return {
    neverOver: one('neverOver'),
    allOrNothing: one('allOrNothing'),
    deadline: one('deadline'),
    recovers: one('recovers'),
    clockBack: one('clockBack'),
    truthful: one('truthful'),
  }
}

/** Up to three of them at once: as many as a request of a case asks for. */
function someOf(limits: readonly (readonly [string, LimitDefinition])[]): fc.Arbitrary<Limits> {
  return fc
    .subarray([...limits], { minLength: 1, maxLength: Math.min(3, limits.length) })
    .map((some) => Object.fromEntries(some))
}

function neverOver(limits: fc.Arbitrary<Limits>): Law<LimiterScenario> {
  return {
    name: 'limiter.never-over',
    says: 'in every interval of the length of a window no more is granted than its limit',
    cases: scenariosFor(limits),
    async holds({ limits: of, steps }) {
      const subject = limiterOf(of)
      const log = new GrantLog()
      let refused = 0
      for (const { afterMs, request } of steps) {
        subject.now += afterMs
        if ((await ask(subject, request)).allowed) log.add(request, subject.now)
        else refused += 1
      }
      assertNeverOver(log, of)
      return refused > 0 ? 'held' : 'notExercised'
    },
  }
}

function allOrNothing(limits: fc.Arbitrary<Limits>): Law<LimiterScenario> {
  return {
    name: 'limiter.all-or-nothing',
    says: 'a grant books what it costs under every name, a refusal books nothing',
    cases: scenariosFor(limits),
    async holds({ limits: of, steps }) {
      const subject = limiterOf(of)
      let refusals = 0
      for (const { afterMs, request } of steps) {
        subject.now += afterMs
        const before = await leftOf(subject, of)
        const { allowed } = await ask(subject, request)
        const costs = costsOf(request)
        const expected = Object.entries(before).map(([name, left]) => [
          name,
          left - (allowed ? (costs.get(name) ?? 0) : 0),
        ])
        assert.deepEqual(await leftOf(subject, of), Object.fromEntries(expected))
        if (!allowed && costs.size > 1) refusals += 1
      }
      return refusals > 0 ? 'held' : 'notExercised'
    },
  }
}

function recovers(limits: fc.Arbitrary<Limits>): Law<LimiterScenario> {
  return {
    name: 'limiter.recovers',
    says: 'after a window and a sub-window in which nobody asked, all of a limit is there; a cost above it never passes',
    cases: scenariosFor(limits),
    async holds({ limits: of, steps }) {
      const subject = limiterOf(of)
      let refused = false
      for (const { afterMs, request } of steps) {
        subject.now += afterMs
        refused = !(await ask(subject, request)).allowed || refused
      }
      for (const [name, { limit, windowMs }] of Object.entries(of)) {
        const never = await ask(subject, [{ name, cost: limit + 1 }])
        assert.deepEqual([never.allowed, never.retryAfterMs], [false, Infinity])
        subject.now += Math.ceil(windowMs * (1 + 1 / 60))
        assert.ok((await ask(subject, [{ name, cost: limit }])).allowed, `"${name}" does not grant its limit again`)
      }
      return refused ? 'held' : 'notExercised'
    },
  }
}

function clockBack(limits: fc.Arbitrary<Limits>): Law<LimiterScenario & { readonly backMs: readonly number[] }> {
  const steps = fc.array(
    fc.oneof(
      fc.constant(0),
      fc.integer({ min: 1, max: 640_000 }).map((parts) => parts / 64),
    ),
    {
      minLength: 1,
      maxLength: 10,
    },
  )
  return {
    name: 'limiter.clock-back',
    says: 'when the clock of the store steps back, by up to 10 s, nothing is left that was not left before',
    cases: fc.tuple(scenariosFor(limits), steps).map(([scenario, backMs]) => ({ ...scenario, backMs })),
    async holds({ limits: of, steps: asked, backMs }) {
      const subject = limiterOf(of)
      const log = new GrantLog()
      let [latest, stepped, refused] = [subject.now, false, false]
      for (const [index, { afterMs, request }] of asked.entries()) {
        subject.now += afterMs
        const before = await leftOf(subject, of)
        // Never behind what was last booked by more than is believed.
        const now = Math.max(latest - 10_000, subject.now - (backMs[index % backMs.length] ?? 0))
        if (now < subject.now) {
          subject.now = now
          stepped = true
          for (const [name, left] of Object.entries(await leftOf(subject, of)))
            assert.ok(left <= (before[name] ?? 0), `stepping back minted "${name}"`)
        }
        latest = Math.max(latest, subject.now)
        const { allowed } = await ask(subject, request)
        if (allowed) log.add(request, subject.now)
        else refused ||= stepped
      }
      assertNeverOver(log, of)
      return refused ? 'held' : 'notExercised'
    },
  }
}

function truthful(limits: fc.Arbitrary<Limits>): Law<LimiterScenario> {
  return {
    name: 'limiter.truthful',
    says: 'retryAfterMs after a refusal, and no ms before, the same request passes; what is said to be left is',
    cases: scenariosFor(limits),
    async holds({ limits: of, steps }) {
      const subject = limiterOf(of)
      let waited = 0
      for (const { afterMs, request } of steps) {
        subject.now += afterMs
        for (const [name, left] of Object.entries(await leftOf(subject, of))) await assertLeft(subject, name, left)
        const { allowed, retryAfterMs } = await ask(subject, request)
        assert.equal(retryAfterMs === 0, allowed)
        if (allowed || retryAfterMs === Infinity) continue
        waited += 1
        const refusedAt = subject.now
        subject.now = refusedAt + retryAfterMs - 1
        assert.ok(!(await subject.limiter.peek('acme', request)).allowed, 'it would have passed a ms before')
        subject.now = refusedAt + retryAfterMs
        assert.ok((await ask(subject, request)).allowed, `refused again after ${retryAfterMs} ms`)
      }
      return waited > 0 ? 'held' : 'notExercised'
    },
  }
}

function ask({ limiter }: SetLimiter, request: Request): ReturnType<SetLimiter['limiter']['check']> {
  return limiter.check('acme', request)
}

async function leftOf({ limiter }: SetLimiter, limits: Limits): Promise<Readonly<Record<string, number>>> {
  return remainingOf(await limiter.peek('acme', Object.keys(limits)))
}

async function assertLeft({ limiter }: SetLimiter, name: string, left: number): Promise<void> {
  if (left > 0)
    assert.ok((await limiter.peek('acme', [{ name, cost: left }])).allowed, `not ${left} of "${name}" are left`)
  const more = await limiter.peek('acme', [{ name, cost: left + 1 }])
  assert.ok(!more.allowed, `more than ${left} of "${name}" are left`)
}

function assertNeverOver(log: GrantLog, limits: Limits): void {
  for (const [name, definition] of Object.entries(limits)) {
    const most = log.most(name, definition)
    assert.ok(
      most <= definition.limit,
      `${most} of "${name}" in ${definition.windowMs} ms, its limit is ${definition.limit}`,
    )
  }
}
