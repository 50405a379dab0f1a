import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { examineLaw, type Law, type LawGroup, LawError, proveLaw, type Verdict } from '../../src/testing/law.ts'

const holdsForAll: Law<number> = {
  name: 'numbers.square',
  says: 'a square is not negative',
  cases: fc.integer({ min: -1_000, max: 1_000 }),
  holds(number) {
    assert.ok(number * number >= 0)
    return 'held'
  },
}

const isFalse: Law<number> = {
  name: 'numbers.small',
  says: 'every number is below 100',
  cases: fc.integer({ min: 0, max: 10_000 }),
  async holds(number): Promise<Verdict> {
    await Promise.resolve()
    assert.ok(number < 100, `${number} is not below 100`)
    return 'held'
  },
}

const isVacuous: Law<number> = {
  name: 'numbers.rare',
  says: 'the only number that matters never comes',
  cases: fc.integer({ min: 0, max: 1_000_000 }),
  holds: (number) => (number === 777_777 ? 'held' : 'notExercised'),
}

afterEach(() => vi.unstubAllEnvs())

async function casesOf(seed: number): Promise<number[]> {
  const seen: number[] = []
  const watching: Law<number> = {
    ...holdsForAll,
    holds(number) {
      seen.push(number)
      return 'held'
    },
  }
  await proveLaw(watching, { seed, runs: 50 })
  return seen
}

async function messageOf(proof: Promise<unknown>): Promise<string> {
  const error: unknown = await proof.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof LawError, 'the proof should have failed')
  return error.message
}

describe('a law', () => {
  test('that holds is proven on 1,000 cases unless told otherwise', async () => {
    expect(await proveLaw(holdsForAll)).toMatchObject({
      name: 'numbers.square',
      status: 'passed',
      runs: 1_000,
      exercised: 1_000,
    })
  })

  test('that is false fails with the shortest counterexample, the reason and the seed', async () => {
    const message = await messageOf(proveLaw(isFalse, { seed: 42 }))
    expect(message).toContain('law numbers.small is broken: every number is below 100')
    expect(message).toMatch(/: 100$/m)
    expect(message).toContain('100 is not below 100')
    expect(message).toContain('SWITCHGEAR_SEED=42')
  })

  test('that is false keeps what was thrown as the cause, and the counterexample as a value', async () => {
    const report = await examineLaw(isFalse, { seed: 42 })
    expect(report).toMatchObject({ status: 'failed', counterexample: 100, seed: 42 })
    expect(report.cause).toBeInstanceOf(assert.AssertionError)
  })

  test('whose precondition is hardly ever met fails as vacuous', async () => {
    const message = await messageOf(proveLaw(isVacuous))
    expect(message).toContain('numbers.rare is VACUOUS')
    expect(message).toMatch(/\d of 1000 cases/)
  })

  test.each([
    [4, 'vacuous'],
    [5, 'passed'],
    [6, 'passed'],
  ])('whose precondition is met in %i of 100 cases is %s', async (met, status) => {
    let run = 0
    const law: Law<boolean> = {
      name: isVacuous.name,
      says: isVacuous.says,
      cases: fc.boolean(),
      holds: () => ((run += 1) <= met ? 'held' : 'notExercised'),
    }
    expect(await examineLaw(law, { runs: 100 })).toMatchObject({ status, exercised: met })
  })

  test('fails in the same way when it is run again with the seed that the message names', async () => {
    const first = await messageOf(proveLaw(isFalse))
    vi.stubEnv('SWITCHGEAR_SEED', /SWITCHGEAR_SEED=(-?\d+)/.exec(first)?.[1] ?? '')
    expect(await messageOf(proveLaw(isFalse))).toBe(first)
  })

  test('tries the same cases for the same seed, and others for another', async () => {
    expect(await casesOf(7)).toEqual(await casesOf(7))
    expect(await casesOf(7)).not.toEqual(await casesOf(8))
  })

  test('is tried as often as SWITCHGEAR_RUNS says', async () => {
    vi.stubEnv('SWITCHGEAR_RUNS', '17')
    expect(await proveLaw(holdsForAll)).toMatchObject({ runs: 17 })
  })

  test.each([
    ['SWITCHGEAR_SEED', 'abc'],
    ['SWITCHGEAR_RUNS', '0'],
  ])('is not tried when %s is %s', async (name, value) => {
    vi.stubEnv(name, value)
    await expect(proveLaw(holdsForAll)).rejects.toMatchObject({ code: 'SWITCHGEAR_CONFIG', path: name })
  })

  test('that never comes to an end fails, with the case and the seed', async () => {
    const hangs: Law<number> = { ...holdsForAll, name: 'numbers.hang', holds: () => new Promise(() => {}) }
    const message = await messageOf(proveLaw(hangs, { caseMs: 20, seed: 1 }))
    expect(message).toContain('law numbers.hang is broken')
    expect(message).toContain('SWITCHGEAR_SEED=1')
  })

  test('stops when its time is over, and is judged by what was tried', async () => {
    const slow: Law<number> = { ...holdsForAll, holds: () => new Promise((resolve) => setImmediate(resolve, 'held')) }
    const report = await proveLaw(slow, { runs: 10_000_000, budgetMs: 50 })
    expect(report.runs).toBeLessThan(10_000_000)
    expect(report.status).toBe('passed')
  })

  test('throws anything, and the message still says what', async () => {
    const rude: Law<number> = { ...holdsForAll, holds: () => Promise.reject(null) }
    expect(await messageOf(proveLaw(rude))).toContain('because: null was thrown')
  })

  test('of any kind of case fits into a group', async () => {
    const group: LawGroup = { square: holdsForAll, small: isFalse }
    const reports = await Promise.all(Object.values(group).map((law) => examineLaw(law, { runs: 200 })))
    expect(reports.map((report) => report.status)).toEqual(['passed', 'failed'])
  })
})
