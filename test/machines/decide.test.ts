import { describe, expect, test } from 'vitest'
import { claimableAt, decide, recoveryDelay } from '../../src/machines/breaker-decide.ts'
import { breakerSettings } from '../../src/machines/breaker-options.ts'
import { initialState, type FleetState } from '../../src/machines/fleet-state.ts'
import { betweenProbes, decided, disabled, forcedOpen, halfOpen, open, order, situation, trip } from './authored.ts'

const counts = { calls: 1, failures: 1, slow: 0, consecutiveFailures: 0 }
const voted = (...ages: number[]): FleetState => ({
  ...initialState,
  votes: ages.map((ago, at) => ({ voter: `voter ${at}`, at: 10_000 - ago })),
})

describe('an instance that tripped', () => {
  test('proposes to open, with its counts, its reason and the wait that it drew', () => {
    expect(decided({ ...trip(), counts } as never)).toMatchObject({
      fact: { type: 'opened', quorum: 1, retryAfterMs: 1_000 },
      reason: 'failureThreshold',
      counts,
      notBefore: null,
      validUntil: 20_000,
      before: initialState,
    })
  })

  test.each([
    ['open', open],
    ['halfOpen', halfOpen],
    ['forcedOpen', forcedOpen],
    ['disabled', disabled],
  ])('says nothing where the fleet is %s', (_mode, state) => {
    expect(decide(trip(state.term), situation({ state }))).toBeUndefined()
  })

  test('says nothing once its term is over', () => {
    expect(decide(trip(0), situation({ state: { ...initialState, term: 1 } }))).toBeUndefined()
  })

  test('votes where a quorum is asked for, and renews its vote when half of its time is over', () => {
    const of = (ago?: number) =>
      decide(
        trip(),
        situation({
          options: { quorum: 3 },
          logNow: 100_000,
          state: { ...initialState, votes: ago === undefined ? [] : [{ voter: 'a', at: 100_000 - ago }] },
        }),
      )?.fact?.type
    expect([of(), of(29_999), of(30_000), of(60_001)]).toEqual(['voted', undefined, 'voted', 'voted'])
  })

  test('opens where the votes are there already, valid as long as the oldest that it needs', () => {
    expect(decided(trip(), { options: { quorum: 2 }, state: voted(55_000, 1_000) })).toMatchObject({
      fact: { type: 'opened', quorum: 2 },
      validUntil: 15_000,
      reason: '2 instances saw the fault',
    })
    expect(decided(trip(), { options: { quorum: 2 }, state: voted(59_000, 55_000, 1_000) }).validUntil).toBe(15_000)
  })
})

describe('who sees votes', () => {
  test.each([
    [2, voted(1, 2), 'opened'],
    [3, voted(1, 2), undefined],
    [2, voted(1, 60_000), 'opened'],
    [2, voted(1, 60_001), undefined],
    [1, voted(1, 2), undefined],
  ])('with quorum %i', (quorum, state, type) => {
    expect(decide({ type: 'countVotes', counts }, situation({ options: { quorum }, state }))?.fact?.type).toBe(type)
  })
})

describe('a claim', () => {
  test.each<[state: FleetState, at: number | undefined]>([
    [open, 11_000],
    [halfOpen, 12_500],
    [betweenProbes, 0],
    [initialState, undefined],
    [forcedOpen, undefined],
  ])('is possible in %j from %s on', (state, at) => {
    expect(claimableAt(state)).toBe(at)
  })

  test.each([
    ['before retryAt', open, 10_999, undefined, undefined],
    ['at retryAt', open, 11_000, 1, 11_000],
    ['while somebody has the lease', halfOpen, 11_999, undefined, undefined],
    ['at the lease’s end, within the grace', halfOpen, 12_499, undefined, undefined],
    ['after the grace', halfOpen, 12_500, 2, 12_000],
    ['between two probes', betweenProbes, 10_000, 2, null],
    ['when closed', initialState, 10_000, undefined, undefined],
    ['under an order', forcedOpen, 99_000, undefined, undefined],
  ])('%s', (_when, state, logNow, attempt, notBefore) => {
    const event = decide({ type: 'claim' }, situation({ state, logNow }))
    expect(event?.fact).toEqual(attempt === undefined ? undefined : { type: 'probeClaimed', leaseMs: 2_000, attempt })
    expect(event?.notBefore).toBe(notBefore)
  })
})

describe('a probe’s end', () => {
  const ended = (result: 'passed' | 'failed' | 'hung' | 'ignored', state: FleetState, successesToClose = 1) =>
    decide(
      { type: 'probeEnded', fence: 'the fence', result, counts },
      situation({ state, logNow: 11_000, options: { probe: { successesToClose } } }),
    )

  test.each([
    ['passed', 1, 0, { type: 'closed', fence: 'the fence' }],
    ['passed', 2, 0, { type: 'probePassed', fence: 'the fence' }],
    ['passed', 2, 1, { type: 'closed', fence: 'the fence' }],
    ['failed', 1, 0, { type: 'reopened', fence: 'the fence', retryAfterMs: 2_000 }],
    ['hung', 1, 0, { type: 'reopened', fence: 'the fence', retryAfterMs: 2_000 }],
    ['ignored', 1, 0, { type: 'probeReleased', fence: 'the fence' }],
  ] as const)('%s, %i to close, %i passed before', (result, successesToClose, passes, fact) => {
    expect(ended(result, { ...halfOpen, passes }, successesToClose)).toMatchObject({ fact, validUntil: 12_000 })
  })

  test('is of no use once the lease is over, also where it says nothing', () => {
    for (const result of ['passed', 'failed', 'hung', 'ignored'] as const) {
      const intent = { type: 'probeEnded', fence: 'the fence', result, counts } as const
      expect(decide(intent, situation({ state: halfOpen, logNow: 12_001 }))).toBeUndefined()
    }
  })

  test('is of no use once another one has the lease', () => {
    for (const state of [betweenProbes, open, initialState, { ...halfOpen, lease: { ...lease, fence: 'another' } }])
      expect(ended('passed', state)).toBeUndefined()
  })
})

const lease = { fence: 'the fence', holder: 'b', attempt: 1, until: 12_000 }

describe('orders', () => {
  test.each(['forcedOpen', 'disabled'] as const)('%s is proposed in every state', (kind) => {
    for (const state of [initialState, open, halfOpen, forcedOpen, disabled])
      expect(decided({ type: 'order', kind, order }, { state })).toMatchObject({ to: kind, reason: 'test' })
  })

  test('a release is of use only under an order', () => {
    const release = (state: FleetState) => decide({ type: 'order', kind: 'released', order }, situation({ state }))
    expect([initialState, open, halfOpen].map(release)).toEqual([undefined, undefined, undefined])
    expect([forcedOpen, disabled].map((state) => release(state)?.to)).toEqual(['closed', 'closed'])
  })

  test.each([
    [14_999, undefined],
    [15_000, 'closed'],
  ])('an order until 15,000 is over at %i: %s', (logNow, to) => {
    expect(decide({ type: 'orderOver' }, situation({ state: forcedOpen, logNow }))?.to).toBe(to)
  })
})

describe('recoveryDelay', () => {
  const settings = breakerSettings({ recoveryTimeoutMs: 1_000, recoveryBackoff: { maxMs: 10_000 } })
  test.each([
    [0, 0.5, 1_000],
    [0, 0, 900],
    [1, 0.5, 2_000],
    [3, 0.5, 8_000],
    [4, 0.5, 10_000],
    [4, 0.999_999, 10_000],
    [1_000_000, 0.5, 10_000],
  ])('after %i failed recoveries, at chance %f', (failed, chance, delay) => {
    expect(recoveryDelay(settings, failed, chance)).toBe(delay)
  })

  test.each([
    ['full', [0, 500, 999], [1, 4_000, 7_999]],
    ['equal', [500, 750, 999], [4_000, 6_000, 7_999]],
    ['decorrelated', [1_000, 2_000, 2_999], [1_000, 10_000, 10_000]],
    [{ ratio: 0.5 }, [500, 1_000, 1_499], [4_000, 8_000, 10_000]],
  ] as const)('with jitter %j is %j at first, by chance, and %j after three failures', (jitter, first, fourth) => {
    const jittered = breakerSettings({ recoveryTimeoutMs: 1_000, recoveryBackoff: { maxMs: 10_000, jitter } })
    const delays = (failed: number) => [0, 0.5, 0.999_999].map((chance) => recoveryDelay(jittered, failed, chance))
    expect(delays(0)).toEqual(first.map((ms) => Math.max(1, ms)))
    expect(delays(3)).toEqual(fourth)
  })

  test('grows with each failed recovery also with decorrelated jitter, which cannot know the wait before', () => {
    const decorrelated = breakerSettings({ recoveryTimeoutMs: 1_000, recoveryBackoff: { jitter: 'decorrelated' } })
    const after = (chance: number) => [0, 1, 2, 3].map((failed) => recoveryDelay(decorrelated, failed, chance))
    expect(after(0)).toEqual([1_000, 1_000, 1_000, 1_000])
    expect(after(0.5)).toEqual([2_000, 3_500, 6_500, 12_500])
  })

  test('is at least 1 ms, and whole', () => {
    const tiny = breakerSettings({ recoveryTimeoutMs: 0.5, recoveryBackoff: { jitter: 'full' } })
    expect(recoveryDelay(tiny, 0, 0)).toBe(1)
  })
})
