import { describe, expect, test } from 'vitest'
import { decide, noCounts, type ProbeResult } from '../../src/machines/breaker-decide.ts'
import { initialState, type FleetState } from '../../src/machines/fleet-state.ts'
import { betweenProbes, decided, forcedOpen, halfOpen, open, order, situation } from './authored.ts'

describe('an event says why', () => {
  test.each<[reason: string, state: FleetState, logNow: number]>([
    ['the recovery time is over', open, 11_000],
    ['the last probe passed or said nothing', betweenProbes, 11_000],
    ['b gave no result', halfOpen, 13_000],
  ])('a claim: %s', (reason, state, logNow) => {
    expect(decided({ type: 'claim' }, { state, logNow }).reason).toBe(reason)
  })

  test.each<[result: ProbeResult, successesToClose: number, reason: string]>([
    ['passed', 1, 'the probe passed'],
    ['passed', 3, 'probe 2 of 3 passed'],
    ['failed', 1, 'the probe failed'],
    ['hung', 1, 'the probe gave no result in time'],
    ['ignored', 1, 'the probe said nothing of the dependency'],
  ])('a probe that %s, of %i: %s', (result, successesToClose, reason) => {
    const ended = { type: 'probeEnded', fence: 'the fence', result, counts: noCounts } as const
    const state = { ...halfOpen, passes: 1 }
    expect(decided(ended, { state, logNow: 11_000, options: { probe: { successesToClose } } }).reason).toBe(reason)
  })

  test('an order, and its end', () => {
    expect(decided({ type: 'order', kind: 'forcedOpen', order }).reason).toBe('test')
    expect(decided({ type: 'orderOver' }, { state: forcedOpen, logNow: 15_000 })).toMatchObject({
      reason: 'the order is over',
      notBefore: 15_000,
    })
  })
})

describe('who looks whether an order is over', () => {
  test.each<[where: string, state: FleetState]>([
    ['there is none', initialState],
    ['it has no end', { ...forcedOpen, order }],
  ])('says nothing where %s', (_where, state) => {
    expect(decide({ type: 'orderOver' }, situation({ state, logNow: 10 ** 15 }))).toBeUndefined()
  })
})

describe('a state that is carried over to a new log', () => {
  const restored = (state: FleetState, logNow = 10_000) => decide({ type: 'restore', state }, situation({ logNow }))

  test('keeps how long it is open yet, without votes and lease, and is as open when that is over', () => {
    expect(restored(open)).toMatchObject({
      to: 'open',
      term: 1,
      reason: 'the log was recreated or truncated',
      fact: { type: 'restored', state: { mode: 'open', retryAfterMs: 1_000, votes: [] } },
    })
    expect(restored(open, 99_000)?.fact).toMatchObject({ state: { retryAfterMs: 0 } })
    expect(restored(halfOpen)?.fact).toEqual({
      type: 'restored',
      state: { mode: 'halfOpen', term: 1, failedRecoveries: 0, passes: 0, attempts: 1, votes: [] },
    })
  })

  test('keeps an order with what is left of its time, at least 1 ms, or without an end', () => {
    const carried = (state: FleetState, logNow?: number) => {
      const fact = restored(state, logNow)?.fact
      return fact?.type === 'restored' ? fact.state.order : undefined
    }
    expect(carried(forcedOpen)).toEqual({ ...order, forMs: 5_000 })
    expect(carried(forcedOpen, 99_000)).toEqual({ ...order, forMs: 1 })
    const endless = carried({ ...forcedOpen, order })
    expect(endless).toEqual(order)
    expect(Object.keys(endless ?? {})).not.toContain('forMs')
  })
})

describe('votes', () => {
  const fresh = (...agesMs: number[]): FleetState => ({
    ...initialState,
    votes: agesMs.map((ago, at) => ({ voter: `voter ${at}`, at: 100_000 - ago })),
  })

  test('hold as long as the oldest that is needed, in whatever order they came', () => {
    for (const ages of [
      [1_000, 30_000, 50_000],
      [50_000, 1_000, 30_000],
      [30_000, 50_000, 1_000],
    ])
      expect(
        decided(
          { type: 'countVotes', counts: noCounts },
          { options: { quorum: 3 }, state: fresh(...ages), logNow: 100_000 },
        ).validUntil,
      ).toBe(110_000)
    const old = fresh(52_000, 1_000, 58_000)
    const soon = { options: { quorum: 2 }, state: old, logNow: 100_000 }
    expect(decided({ type: 'countVotes', counts: noCounts }, soon).validUntil).toBe(108_000)
  })
})

test('an event belongs to the trace of whoever decided it, where there is one', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  expect(decided({ type: 'order', kind: 'disabled', order }, { traceparent }).traceparent).toBe(traceparent)
  expect(decided({ type: 'order', kind: 'disabled', order })).not.toHaveProperty('traceparent')
})
