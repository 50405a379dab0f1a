import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { retryBudget, type RetryPolicy } from '../../src/index.ts'
import type { EventLog } from '../../src/ports/event-log.ts'
import { simulationTable } from '../../src/cli/simulate-table.ts'
import {
  faultKinds,
  flapping,
  outage,
  partiallySick,
  rateLimited,
  simulate,
  slow,
  type Scenario,
} from '../../src/testing.ts'
import { playGuarded } from '../../src/testing/simulate/play-simulation.ts'
import { explainFailure } from '../../src/testing/simulate/simulate.ts'
import { simulationPlan, type SimulationPlan } from '../../src/testing/simulate/simulation-plan.ts'
import { sized } from '../sized.ts'

/** Short, so that a run costs tens of milliseconds. */
const brief = { of: 'smtp', fromMs: 2_000, forMs: 20_000, callsPerSecond: 20 } as const
const config = { breakers: { smtp: { recoveryTimeoutMs: 8_000 } }, retry: { maxAttempts: 3, baseDelayMs: 500 } }

describe('simulate', () => {
  test('the same seed gives the same run, and another seed another one', async () => {
    const play = (seed: number) => simulate({ config, instances: 20, seed, scenario: outage(brief) })
    const [one, again, other] = [await play(7), await play(7), await play(8)]
    expect(again).toEqual(one)
    expect(other.traceHash).not.toBe(one.traceHash)
  })

  test('an outage without faults: few calls reach what is dead, one at a time probes, and nothing is lost', async () => {
    const outcome = await simulate({ config, instances: 50, seed: 3, scenario: outage(brief), faults: 'none' })
    const { with: guarded, without } = outcome
    expect(guarded.calls).toBe(without.calls)
    expect(guarded.calls).toBeGreaterThan(50 * 20 * 50 * 0.9)
    // Five of each instance at most, before it trips by itself, what was under way, and two or three probes.
    expect(guarded.reachedWhileDead).toBeLessThan(50 * 10)
    expect(without.reachedWhileDead).toBeGreaterThan(50 * 20 * 20 * 2)
    expect(guarded.probes).toBeGreaterThanOrEqual(2)
    expect(guarded.probes).toBeLessThanOrEqual(4)
    expect(guarded.detectMs).toBeLessThan(2_000)
    expect(guarded.recoverMs).toBeLessThan(20_000)
    expect(guarded.lost).toBe(0)
    expect(without.lost).toBeGreaterThan(50 * 20 * 15)
    expect(without).toMatchObject({ refused: 0, probes: 0, detectMs: null, recoverMs: 0 })
    expect(outcome.faults).toEqual({ outage: 1 })
    expect(outcome.transitions['fleet: halfOpen → open']).toBeGreaterThan(0)
    expect(outcome.neverReached).toContain('local: open → halfOpen')
  })

  test('every call of either fleet ends in exactly one of delivered, late and lost', async () => {
    for (const scenario of everyScenario) {
      const { with: guarded, without } = await simulate({ config, instances: 7, seed: 11, scenario })
      for (const { calls, delivered, late, lost } of [guarded, without]) expect(delivered + late + lost).toBe(calls)
    }
  })

  test('whatever goes wrong, all comes together again, and every kind of fault comes to pass', async () => {
    const seen = new Map<string, number>()
    for (let seed = 1; seed <= sized(12, 400); seed++) {
      const scenario = everyScenario[seed % everyScenario.length] ?? outage(brief)
      // Rejects, with a story, where a law is broken.
      const { faults } = await simulate({ config, instances: 3 + (seed % 30), seed, scenario, twice: false })
      for (const [kind, n] of Object.entries(faults)) seen.set(kind, (seen.get(kind) ?? 0) + n)
    }
    for (const kind of [...faultKinds, 'restart', ...everyScenario.map(({ kind }) => kind)])
      expect(seen.get(kind), kind).toBeGreaterThan(0)
  })

  test('gives what the pages show of it', async () => {
    const shown = { breakers: { smtp: { failureThreshold: 5 } }, retry: { maxAttempts: 3 } }
    const scenario = outage({ of: 'smtp', fromMs: 10_000, forMs: 60_000 })
    const outcome = await simulate({ config: shown, instances: 100, seed: 7, scenario, twice: false })
    const page = readFileSync('docs/simulate.md', 'utf8')
    // After a change that moves them, what this prints is copied into the pages.
    for (const [name, value] of [...Object.entries(outcome.with), ...Object.entries(outcome.without)])
      expect(page).toContain(`${name}: ${value}`)
    expect(readFileSync('docs/cli.md', 'utf8')).toContain(simulationTable(outcome))
  })

  test('what a simulation leaves out is said in its outcome', async () => {
    const { leftOut } = await simulate({ config, instances: 1, seed: 1, scenario: outage(brief), twice: false })
    expect(leftOut.map((what) => what.split(':')[0])).toEqual(['limits', 'deadLetters'])
  })

  test('a quorum keeps one sick instance to itself', async () => {
    const quorum = { breakers: { smtp: { quorum: 3, recoveryTimeoutMs: 4_000 } } }
    const scenario = partiallySick({ ...brief, share: 0.1, among: 'instances' })
    const outcome = await simulate({ config: quorum, instances: 10, seed: 5, scenario, faults: 'none' })
    expect(outcome.transitions['fleet: closed → open']).toBe(0)
    expect(outcome.transitions['local: halfOpen → closed']).toBeGreaterThan(0)
    expect(outcome.with.lost).toBe(0)
  })

  test('a deadline and a timeout end calls to what hangs', async () => {
    const bounded = { breakers: { smtp: { timeoutMs: 800, recoveryTimeoutMs: 5_000 } }, deadlineMs: 3_000 }
    const outcome = await simulate({
      config: bounded,
      instances: 5,
      seed: 2,
      scenario: outage({ ...brief, how: 'hangs' }),
      faults: 'none',
    })
    expect(outcome.with.detectMs).toBeLessThan(10_000)
    expect(outcome.with.late).toBeGreaterThan(0)
  })

  test('an instance that probes by itself asks the simulated dependency, not the real one', async () => {
    const check = () => Promise.reject(new Error('the real one was asked'))
    const checked = { breakers: { smtp: { recoveryTimeoutMs: 5_000, probe: { check } } } }
    const { with: guarded } = await simulate({ config: checked, instances: 4, seed: 2, scenario: outage(brief) })
    expect(guarded.probes).toBeGreaterThan(0)
    expect(guarded.recoverMs).not.toBeNull()
  })

  test('a retry budget of the configuration is kept by each process: one that allows nothing is like no retries', async () => {
    const breakers = { smtp: { failureThreshold: 1_000_000 } }
    const scenario = partiallySick({ ...brief, forMs: 4_000 })
    const play = async (retry: RetryPolicy) => {
      const options = {
        config: { breakers, retry },
        instances: 3,
        seed: 4,
        scenario,
        faults: 'none' as const,
        twice: false,
      }
      return (await simulate(options)).with
    }
    const once = await play({ maxAttempts: 1 })
    const budget = retryBudget({ ratio: 0, minPerSecond: 0 })
    expect(await play({ maxAttempts: 3, jitter: 'none', budget })).toEqual(once)
    const defaults = await play({ maxAttempts: 3, jitter: 'none', budget: retryBudget() })
    expect(defaults.reachedWhileDead).toBeGreaterThan(once.reachedWhileDead)
  })

  test('what cannot be meant is said with its path', async () => {
    const scenario = outage(brief)
    await expect(simulate({ config: { breakers: { slack: {} } }, scenario })).rejects.toThrow('scenario.of')
    await expect(simulate({ config, instances: 0, scenario })).rejects.toThrow('instances')
    await expect(simulate({ config: { breakers: { smtp: { quorum: 0 } } }, scenario })).rejects.toThrow('quorum')
    expect(() => outage({ of: 'smtp', forMs: -1 })).toThrow('forMs')
    expect(() => partiallySick({ of: 'smtp', share: 2 })).toThrow('share')
  })
})

describe('a mistake that is planted', () => {
  const quick = {
    breakers: { smtp: { recoveryTimeoutMs: 2_000, recoveryBackoff: { maxMs: 2_000 }, probe: { leaseMs: 500 } } },
  }
  const plan = simulationPlan({ config: quick, instances: 12, seed: 4, scenario: outage(brief), faults: 'all' })

  test('is found, and told in the smallest run that shows it', async () => {
    const play = (of: SimulationPlan) => playGuarded(of, { log: deafTo('closed', 'instance 0') })
    const played = await play(plan)
    expect(played.broken.map(({ law }) => law)).toContain('fleet.convergence')
    const error = await explainFailure(played, play)
    expect(error.law).toBe(played.broken[0]?.law)
    expect(error.plan.instances).toBeLessThanOrEqual(2)
    expect(error.plan.faults).toEqual([])
    expect(error.plan.scenario.forMs).toBeLessThan(brief.forMs)
    expect(error.message).toContain('replay with seed 4')
    expect(error.story).toContain('outage of "smtp" begins')
    expect(error.story).toContain('open → halfOpen')
    expect(error.story).toContain('is broken')
    // Shown to readers; after a change that moves its times, the message is copied into the page.
    expect(readFileSync('docs/simulate.md', 'utf8')).toContain(error.message)
  })

  test('in the configuration is named as what it may be because of', async () => {
    const wrong = simulationPlan({
      config: { breakers: { smtp: { timeoutMs: 60_000, probe: { leaseMs: 1_000 } } } },
      ...{ instances: 1, seed: 1, scenario: outage(brief), faults: 'none' as const },
    })
    const failed = { ...(await playGuarded(wrong)), broken: [{ law: 'breaker.liveness', what: 'it stays open' }] }
    const error = await explainFailure(failed, async (of) => ({ ...failed, plan: of }))
    expect(error.causes.map(({ path }) => path)).toEqual(['breakers.smtp.probe.leaseMs'])
  })
})

/** A log that keeps every message of this type from one of the instances, also when it reads again. */
function deafTo(type: string, instance: string): (log: EventLog) => EventLog {
  const decoder = new TextDecoder()
  return (log) => ({
    join: (member, follower) =>
      log.join(
        member,
        member.instance === instance
          ? {
              ...follower,
              onPreview: () => {},
              onMessage(message) {
                if (!decoder.decode(message.data).includes(`breaker.${type}.v1`)) follower.onMessage(message)
              },
            }
          : follower,
      ),
  })
}

const everyScenario: readonly Scenario[] = [
  outage(brief),
  outage({ ...brief, how: 'errors' }),
  outage({ ...brief, how: 'hangs' }),
  slow({ ...brief, slowMs: 3_000 }),
  flapping(brief),
  rateLimited(brief),
  partiallySick(brief),
  partiallySick({ ...brief, among: 'instances', share: 0.3 }),
]
