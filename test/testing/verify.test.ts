import assert from 'node:assert/strict'
import type { test as nodeTest } from 'node:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, expectTypeOf, test, vi } from 'vitest'
import {
  arbitraries,
  check,
  type CheckOptions,
  http,
  type Law,
  laws,
  ok,
  type TestFunction,
  thrown,
  timedOut,
  toJUnit,
  verify,
} from 'switchgear/testing'
import { sized } from '../sized.ts'

let folder: string
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'switchgear-verify-'))))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => vi.unstubAllEnvs())

const quick = { budget: { runs: 20, ms: 1 }, failures: false } as const

const sound: CheckOptions = {
  ...quick,
  config: {
    breakers: { pay: { failureThreshold: 3, timeoutMs: 2_000 }, smtp: { quorum: 2 } },
    retry: { maxAttempts: 3, baseDelayMs: 100 },
    deadlineMs: 10_000,
    limits: { email: { limit: 50, windowMs: 3_600_000 }, alerts: { limit: 100, windowMs: 60_000 } },
  },
}

/** Holds for small numbers only. */
const small: Law<number> = {
  name: 'numbers.small',
  says: 'every number is below 100',
  cases: fc.integer({ min: 0, max: 10_000 }),
  holds(number) {
    assert.ok(number < 100, `${number} is not below 100`)
    return 'held'
  },
}

describe('check', () => {
  test('finds that a sound configuration holds, and says of each law what came of it', async () => {
    const report = await check({ ...sound, budget: { runs: sized(60, 1_000), ms: sized(1, 240_000) }, seed: 1 })
    expect(report.laws.filter(({ status }) => status !== 'passed')).toEqual([
      { name: 'retry.budget', status: 'notApplicable', runs: 0, reason: 'there is no budget' },
    ])
    const onTheirOwn = report.laws.filter(
      ({ status, reason = '' }) => status === 'passed' && reason.includes('its own'),
    )
    expect(onTheirOwn.map(({ name }) => name)).toContain('cache.fresh')
    expect(onTheirOwn.map(({ name }) => name)).not.toContain('breaker.oracle')
    expect(report.ok).toBe(true)
    expect(report.laws.map(({ name }) => name)).toEqual(
      Object.values(laws).flatMap((group) => Object.values(group).map(({ name }) => name)),
    )
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  })

  test('leaves out what is skipped with its reason, and what the configuration does not use with its own', async () => {
    const skip = { 'limiter.deadline': 'we fail closed' }
    const report = await check({ ...sound, laws: [laws.limiter], skip })
    expect(report.laws.find(({ name }) => name === 'limiter.deadline')).toEqual({
      name: 'limiter.deadline',
      status: 'skipped',
      runs: 0,
      reason: 'we fail closed',
    })
    const none = await check({ ...quick, config: {}, laws: [laws.limiter, laws.retry] })
    expect(new Set(none.laws.map(({ status }) => status))).toEqual(new Set(['notApplicable']))
    expect(none.ok).toBe(true)
  })

  test('fails where a law is vacuous', async () => {
    const rare: Law<number> = { ...small, holds: () => 'notExercised' }
    const report = await check({ ...quick, laws: [{ rare }] })
    expect(report).toMatchObject({ ok: false, laws: [{ status: 'vacuous', runs: 20 }] })
  })

  test.each([
    [{ skip: { 'limiter.never': 'because' } }, 'skip.limiter.never'],
    [{ skip: { 'limiter.deadline': ' ' } }, 'skip.limiter.deadline'],
    [{ config: { breakers: { pay: { failureThreshold: 0 } } } }, 'config.breakers.pay.failureThreshold'],
    [{ config: { limits: { email: { limit: 0, windowMs: 1 } } } }, 'config.limits.email.limit'],
    [{ handlers: { pay: () => 1 } }, 'handlers.pay'],
    [{ instances: 0 }, 'instances'],
    [{ budget: { runs: 0 } }, 'budget.runs'],
    [{ faults: ['flood'] }, 'faults'],
  ])('rejects %j, which cannot be meant', async (options, path) => {
    await expect(check({ ...quick, ...options } as CheckOptions)).rejects.toMatchObject({
      code: 'SWITCHGEAR_CONFIG',
      path,
    })
  })

  test('tries the same cases for the same seed, which SWITCHGEAR_SEED can be', async () => {
    const first = await check({ ...quick, laws: [{ small }] })
    vi.stubEnv('SWITCHGEAR_SEED', String(first.seed))
    const again = await check({ ...quick, laws: [{ small }] })
    expect(again.laws).toEqual(first.laws)
    expect(again.seed).toBe(first.seed)
  })

  test('without faults tries what can be tried, and says what cannot', async () => {
    const report = await check({
      ...sound,
      budget: { runs: 100, ms: 1_000 },
      faults: 'none',
      laws: [laws.fleet, laws.autonomy, laws.probe],
    })
    expect(report.laws.filter(({ status }) => status !== 'passed')).toMatchObject([
      { name: 'autonomy.unlinked', status: 'notApplicable' },
    ])
  })

  test('holds for configurations at large', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraries.configurations, arbitraries.faults, async (config, faults) => {
        const report = await check({ ...quick, config, faults, budget: { runs: 4, ms: 1 }, laws: [laws.breaker] })
        expect(report.laws.filter(({ status }) => status === 'failed')).toEqual([])
      }),
      { numRuns: 5 },
    )
  })
})

describe('a configuration that is wrong is found by a law that plays it, explained, and found again by its seed', () => {
  const wrong: readonly (readonly [string, CheckOptions['config'], string, string, RegExp, RegExp])[] = [
    [
      'a threshold that its window can never reach',
      { breakers: { pay: { failureThreshold: false, failureRate: { over: { calls: 5 }, threshold: 0.5 } } } },
      'breaker.oracle',
      'breakers.pay.failureRate.minimumCalls',
      /10 calls in a row failed, of which its window holds 5, and failureRate has not tripped/,
      /call 10 failed; it is closed/,
    ],
    [
      'a lease that is shorter than the call’s timeout',
      { breakers: { pay: { timeoutMs: 60_000 } } },
      'breaker.liveness',
      'breakers.pay.probe.leaseMs',
      /answers within \d+ ms, which a call may take \(60000 ms\), and after 4 probes "pay" is not closed/,
      /its probe is stopped[^]*the dependency answers/,
    ],
    [
      'retries that outlast the deadline',
      { retry: { maxAttempts: 5, baseDelayMs: 1_000 }, deadlineMs: 2_000 },
      'retry.deadline',
      'retry.maxAttempts',
      /2 of 5 were made: the next would have begun after the deadline of 2000 ms/,
      /waits for 1100 ms[^]*the deadline/,
    ],
  ]

  test.each(wrong)('%s', async (_what, config, law, path, reason, story) => {
    const options: CheckOptions = { ...quick, config, laws: [laws.breaker, laws.retry] }
    const report = await check(options)
    const failed = report.laws.filter(({ status }) => status === 'failed')
    expect(failed).toMatchObject([{ name: law, cause: { path } }])
    const [found] = failed
    expect(found?.reason).toMatch(reason)
    expect(found?.story).toMatch(story)
    expect(report.ok).toBe(false)
    vi.stubEnv('SWITCHGEAR_SEED', String(found?.seed))
    expect((await check(options)).laws).toEqual(report.laws)
  })

  test('also where no law is tried that would play it', async () => {
    const config = { breakers: { pay: { timeoutMs: 60_000 } } }
    const report = await check({ ...quick, config, laws: [laws.limiter] })
    expect(report.laws.at(-1)).toMatchObject({
      name: 'configuration.consistent',
      status: 'failed',
      cause: { path: 'breakers.pay.probe.leaseMs' },
    })
  })
})

describe('a handler', () => {
  const config = { breakers: { pay: { failureThreshold: 3, timeoutMs: 1_000 } } }
  const outcomes = fc.constantFrom(ok(), http(503), timedOut(), thrown('x'))

  test('that lets its failures through holds', async () => {
    const handlers = { pay: async (_call: unknown, respond: () => Promise<unknown>) => respond() }
    const report = await check({ ...quick, config, handlers, outcomes, laws: [laws.breaker] })
    expect(report.laws.filter(({ status }) => status !== 'passed')).toEqual([])
  })

  test('that goes on when its call is over is found where the breaker is open by then', async () => {
    const goOn = async (respond: () => Promise<unknown>): Promise<void> => {
      for (let more = 0; more < 20; more++) await respond().catch(() => {})
    }
    const pay = async (_call: unknown, respond: () => Promise<unknown>): Promise<unknown> => {
      void goOn(respond)
      return respond()
    }
    const report = await check({ ...quick, seed: 1, config, handlers: { pay }, outcomes, laws: [laws.breaker] })
    const failed = report.laws.filter(({ status }) => status === 'failed')
    expect(failed).toMatchObject([{ name: 'breaker.refuses', cause: { path: 'handlers.pay' } }])
    expect(failed[0]?.story).toMatch(/the call is[^]*closed → open/)
  })

  test('that waits for what is not the transport is told so', async () => {
    const pay = async (_call: unknown, respond: () => Promise<unknown>): Promise<unknown> => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return respond()
    }
    const report = await check({
      ...quick,
      config: { breakers: { pay: {} } },
      handlers: { pay },
      outcomes: fc.constant(ok()),
      laws: [laws.deadLetters],
    })
    const failed = report.laws.filter(({ status }) => status === 'failed')
    expect(failed).toMatchObject([{ name: 'deadLetters.one-outcome', cause: { path: 'handlers.pay' } }])
    expect(failed[0]?.reason).toContain('time is virtual here')
  })

  test('that hides its failures from the breaker is found, with a story', async () => {
    const handlers = { pay: async (_call: unknown, respond: () => Promise<unknown>) => respond().catch(() => 'later') }
    const report = await check({ ...quick, config, handlers, outcomes, laws: [laws.breaker] })
    const failed = report.laws.filter(({ status }) => status === 'failed')
    expect(failed).toMatchObject([{ name: 'breaker.oracle', cause: { path: 'handlers.pay' } }])
    expect(failed[0]?.story).toContain('call 3: the transport')
  })
})

describe('failing cases', () => {
  test('are kept, run first the next time, and forgotten when they fail no more', async () => {
    const failures = join(folder, 'kept', 'failures.json')
    const options: CheckOptions = { budget: quick.budget, failures, laws: [{ small }] }
    const first = await check({ ...options, seed: 1 })
    expect(JSON.parse(readFileSync(failures, 'utf8'))).toHaveLength(1)
    // With another seed, that would have found it by another case.
    const second = await check({ ...options, seed: 2 })
    expect(second.laws).toMatchObject([{ status: 'failed', runs: 1, seed: first.seed, reason: '100 is not below 100' }])
    const mended: Law<number> = { ...small, holds: () => 'held' }
    expect(await check({ ...options, laws: [{ mended }] })).toMatchObject({ ok: true, laws: [{ runs: 20 }] })
    expect(JSON.parse(readFileSync(failures, 'utf8'))).toEqual([])
  })

  test('in a file that cannot be read, or written, are none', async () => {
    const garbled = join(folder, 'garbled.json')
    writeFileSync(garbled, '{"a": [')
    for (const failures of [garbled, join(garbled, 'below', 'a-file.json')]) {
      const report = await check({ budget: quick.budget, failures, laws: [{ small }] })
      expect(report.laws).toMatchObject([{ status: 'failed', reason: '100 is not below 100' }])
    }
  })
})

describe('verify', () => {
  test('takes the `test` of vitest and of node:test as it is', () => {
    expectTypeOf<typeof test>().toExtend<TestFunction>()
    expectTypeOf<typeof nodeTest>().toExtend<TestFunction>()
  })

  test('makes a test of each law, and skips with the reason what is left out', async () => {
    const made: { name: string; run: () => Promise<void> }[] = []
    const skipped: string[] = []
    const runner = Object.assign((name: string, run: () => Promise<void>) => void made.push({ name, run }), {
      skip: (name: string) => void skipped.push(name),
    })
    verify(runner, { ...sound, laws: [laws.retry, { small }], skip: { 'retry.final': 'we retry everything' } })
    expect(skipped).toEqual([
      'retry.budget (not applicable: there is no budget)',
      'retry.final (skipped: we retry everything)',
    ])
    expect(made.map(({ name }) => name.split(':')[0])).toEqual([
      'retry.attempts',
      'retry.delays',
      'retry.deadline',
      'retry.retry-after',
      'retry.aborted',
      'numbers.small',
    ])
    const results = await Promise.allSettled(made.map(({ run }) => run()))
    expect(results.map(({ status }) => status)).toEqual([...Array.from({ length: 5 }, () => 'fulfilled'), 'rejected'])
    const last = results.at(-1)
    assert.ok(last?.status === 'rejected')
    expect(String(last.reason)).toMatch(/law numbers\.small is failed: 100 is not below 100[^]*SWITCHGEAR_SEED=\d+/)
  })
})

test('a report is JUnit for CI servers, whatever its texts contain', () => {
  const cause = { path: 'breakers.pay', message: '<5 & "6"' }
  const xml = toJUnit({
    ok: false,
    seed: 7,
    durationMs: 1_234,
    laws: [
      { name: 'breaker.total', status: 'passed', runs: 200, seed: 7 },
      { name: 'retry.final', status: 'failed', runs: 3, seed: 7, reason: 'a < b & "c"\u0007', story: '<at>', cause },
      { name: 'retry.budget', status: 'notApplicable', runs: 0, reason: 'there is no budget' },
      { name: 'fleet.codec', status: 'vacuous', runs: 20, reason: 'nothing was shown' },
    ],
  })
  expect(xml).toContain('tests="4" failures="2" errors="0" skipped="1" time="1.234"')
  expect(xml).toContain('<testcase classname="breaker" name="total"/>')
  expect(xml).toContain('<failure type="failed" message="a &lt; b &amp; &quot;c&quot;�">')
  expect(xml).toContain('cause: breakers.pay: &lt;5 &amp; &quot;6&quot;')
  expect(xml).toContain('<skipped message="notApplicable: there is no budget"/>')
})
