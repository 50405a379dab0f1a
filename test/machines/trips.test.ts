import type { BreakerOptions } from 'switchgear'
import { describe, expect, test } from 'vitest'
import { oneInstance } from './fleet-of.ts'
import { play } from './play.ts'

/** Whether the last outcome of the script trips; none before it may. */
async function tripsAtLast(options: BreakerOptions, script: string): Promise<boolean> {
  const { clock, gear } = await oneInstance()
  const modes = await play(gear.breaker('smtp', options), clock, script)
  expect(modes.slice(0, -1), `before the last of "${script}"`).toEqual(modes.slice(0, -1).fill('closed'))
  return modes.at(-1) === 'open'
}

type Row = readonly [why: string, options: BreakerOptions, script: string, trips: boolean]

const off = { failureThreshold: false } as const
const half = { over: { calls: 10 }, threshold: 0.5 }
const slow = { over: { calls: 10 }, threshold: 0.5, slowerThanMs: 100 }

const consecutive: readonly Row[] = [
  ['4 of the default 5 do not', {}, 'F*4', false],
  ['the default 5th does', {}, 'F*5', true],
  ['one less than the threshold does not', { failureThreshold: 3 }, 'F*2', false],
  ['the threshold exactly does', { failureThreshold: 3 }, 'F*3', true],
  ['a threshold of 1 trips at the first', { failureThreshold: 1 }, 'F', true],
  ['a success between starts the count again', { failureThreshold: 3 }, 'F*2 S F*2', false],
  ['and 3 after it trip', { failureThreshold: 3 }, 'F*2 S F*3', true],
  ['an ignored one between neither counts nor resets', { failureThreshold: 3 }, 'F*2 I F', true],
  ['ignored ones alone never trip', { failureThreshold: 1 }, 'I*20', false],
  ['time does not wear the count off', { failureThreshold: 3 }, 'F +3600000 F +3600000 F', true],
  ['false turns the rule off', off, 'F*200', false],
  ['the rule and a rate stand side by side', { failureThreshold: 3, failureRate: half }, 'F*3', true],
]

const rates: readonly Row[] = [
  ['5 of 10 at 0.5', { ...off, failureRate: half }, 'S*5 F*5', true],
  ['4 of 10 at 0.5', { ...off, failureRate: half }, 'S*6 F*4', false],
  ['9 of 9 below the default minimum of 10', { ...off, failureRate: half }, 'F*9', false],
  ['10 of 10 at the minimum', { ...off, failureRate: half }, 'F*10', true],
  ['a success can be the call that reaches the minimum', { ...off, failureRate: half }, 'F*9 S', true],
  ['ignored ones do not reach the minimum', { ...off, failureRate: half }, 'F*9 I*5', false],
  ['a minimum of 3: 2 of 2 do not', { ...off, failureRate: { ...half, minimumCalls: 3 } }, 'F*2', false],
  ['a minimum of 3: 3 of 3 do', { ...off, failureRate: { ...half, minimumCalls: 3 } }, 'F*3', true],
  [
    'at 0 it trips at the minimum, whatever the calls come to',
    { ...off, failureRate: { ...half, threshold: 0 } },
    'S*10',
    true,
  ],
  ['at 0 it does not trip before', { ...off, failureRate: { ...half, threshold: 0 } }, 'S*9', false],
  ['at 1 every call must fail: 9 of 10', { ...off, failureRate: { ...half, threshold: 1 } }, 'S F*9', false],
  ['at 1 every call must fail: 10 of 10', { ...off, failureRate: { ...half, threshold: 1 } }, 'F*10', true],
  ['the ring forgets: the success of 11 calls ago', { ...off, failureRate: { ...half, threshold: 1 } }, 'S F*10', true],
  ['the ring forgets failures', { ...off, failureRate: half }, 'F*4 S*6 F*4', false],
  ['the ring remembers the last 10', { ...off, failureRate: half }, 'S*8 F*4 S*2 F', true],
  [
    '55 of 100 at 0.55, where 0.55 × 100 is more than 55',
    { ...off, failureRate: { over: { calls: 100 }, threshold: 0.55, minimumCalls: 100 } },
    'S*45 F*55',
    true,
  ],
  [
    '54 of 100 at 0.55',
    { ...off, failureRate: { over: { calls: 100 }, threshold: 0.55, minimumCalls: 100 } },
    'S*46 F*54',
    false,
  ],
  [
    '7 of 25 at 0.28',
    { ...off, failureRate: { over: { calls: 25 }, threshold: 0.28, minimumCalls: 25 } },
    'S*18 F*7',
    true,
  ],
  [
    '1 of 3 at a third',
    { ...off, failureRate: { over: { calls: 3 }, threshold: 1 / 3, minimumCalls: 3 } },
    'S*2 F',
    true,
  ],
]

const sliding = { ...off, failureRate: { over: { ms: 10_000 }, threshold: 0.5, minimumCalls: 4 } } as const
const windows: readonly Row[] = [
  ['all within 10 s', sliding, 'F*2 +9000 F*2', true],
  ['the first two are 10 s old', sliding, 'F*2 +10000 F*2', false],
  ['the first two are just within, 19 slices of 500 ms later', sliding, 'F*2 +9999 F*2', true],
  ['a slice goes as a whole, so that at least 19 of 20 are covered', sliding, '+499 F*2 +9501 F*2', false],
  ['old successes go as well', sliding, 'S*40 +10000 F*4', true],
  ['old successes still count', sliding, 'S*40 +9000 F*4', false],
  ['what slides out, slice by slice', sliding, 'S*3 +4000 S*2 +6500 F*2', true],
  ['an age without calls empties it', sliding, 'F*3 +3600000 F*3', false],
]

const slowness: readonly Row[] = [
  ['a call of exactly slowerThanMs is slow', { ...off, slowCallRate: slow }, 'S*5 S@100*5', true],
  ['one of 1 ms less is not', { ...off, slowCallRate: slow }, 'S*5 S@99*5', false],
  ['4 of 10 are too few', { ...off, slowCallRate: slow }, 'S*6 S@200*4', false],
  ['slow failures are slow calls as well', { ...off, slowCallRate: slow }, 'S*5 F@100*5', true],
  ['fast failures are not', { ...off, slowCallRate: slow }, 'F*10', false],
  ['below the minimum of 10', { ...off, slowCallRate: slow }, 'S@100*9', false],
  [
    'over a window of time',
    { ...off, slowCallRate: { ...slow, over: { ms: 2_000 }, minimumCalls: 3 } },
    'S@150 +1000 S@150*2',
    true,
  ],
  [
    'over a window of time that has passed',
    { ...off, slowCallRate: { ...slow, over: { ms: 2_000 }, minimumCalls: 3 } },
    'S@150 +2000 S@150*2',
    false,
  ],
]

describe('consecutive failures', () => {
  test.each(consecutive)('%s', async (_why, options, script, trips) => {
    expect(await tripsAtLast(options, script)).toBe(trips)
  })
})

describe('the failure rate over calls', () => {
  test.each(rates)('%s', async (_why, options, script, trips) => {
    expect(await tripsAtLast(options, script)).toBe(trips)
  })
})

describe('the failure rate over time', () => {
  test.each(windows)('%s', async (_why, options, script, trips) => {
    expect(await tripsAtLast(options, script)).toBe(trips)
  })
})

describe('the rate of slow calls', () => {
  test.each(slowness)('%s', async (_why, options, script, trips) => {
    expect(await tripsAtLast(options, script)).toBe(trips)
  })
})

describe('a trip', () => {
  test.each([
    ['failureThreshold', {}, 'S*2 F*5', { calls: 7, failures: 5, slow: 0, consecutiveFailures: 5 }],
    [
      'failureRate',
      { ...off, failureRate: half },
      'S*20 F*5',
      { calls: 10, failures: 5, slow: 0, consecutiveFailures: 5 },
    ],
    [
      'slowCallRate',
      { ...off, slowCallRate: slow },
      'S*20 S@100*4 F@100',
      { calls: 10, failures: 1, slow: 5, consecutiveFailures: 1 },
    ],
  ] as const)('by %s says on what counts', async (reason, options, script, counts) => {
    const { clock, gear, seen } = await oneInstance()
    await play(gear.breaker('smtp', options), clock, script)
    await clock.advanceBy(50)
    expect(seen).toMatchObject([
      { from: 'closed', to: 'open', scope: 'local', reason, counts },
      { from: 'closed', to: 'open', scope: 'fleet', reason, counts, term: 1 },
    ])
  })

  test('takes effect in the same tick, before the log has heard of it', async () => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { failureThreshold: 1 })
    const permit = smtp.tryAcquire()
    const other = smtp.tryAcquire()
    if ('failure' in permit) permit.failure()
    expect(smtp.state).toMatchObject({ mode: 'open', scope: 'local', term: 0 })
    expect(smtp.tryAcquire()).toMatchObject({ code: 'SWITCHGEAR_BREAKER_OPEN', mode: 'open' })
    expect('failure' in other, 'what was admitted before stays admitted').toBe(true)
  })
})
