import { describe, expect, test } from 'vitest'
import {
  causeInForce,
  fold,
  foldRetained,
  inForce,
  intoNewEpoch,
  preview,
  settle,
  unread,
  withoutPreview,
  type Held,
  type Position,
} from '../../src/machines/fold.ts'
import { initialState, type FleetState } from '../../src/machines/fleet-state.ts'
import { decided, disabled, forcedOpen, halfOpen, open, order, stored, trip } from './authored.ts'

const opened = decided(trip(), { id: 'opened', instance: 'a' })
const claimed = decided({ type: 'claim' }, { id: 'claimed', instance: 'b', state: open, logNow: 11_000 })
const cause = { by: 'a', at: 10_000, reason: 'failureThreshold', counts: opened.counts, seq: 3 }

const at = (state: FleetState, more: Partial<Position> = {}): Position => ({
  seq: 3,
  acceptedSeq: 3,
  state,
  provisional: false,
  ...more,
})
const held = (state: FleetState, why: Held['why'] = 'gap'): Partial<Position> => ({ held: { state, why, cause } })

describe('of what was read and what is held, the stricter one is in force', () => {
  test.each<[mode: string, read: FleetState, holds: FleetState, inForceMode: string]>([
    ['closed beside open', initialState, open, 'open'],
    ['open beside closed', open, initialState, 'open'],
    ['half-open beside open', halfOpen, open, 'open'],
    ['disabled beside closed', disabled, initialState, 'closed'],
    ['open beside an order', open, forcedOpen, 'forcedOpen'],
  ])('%s', (_which, read, holds, mode) => {
    expect(inForce(at(read, held(holds))).mode).toBe(mode)
  })

  test.each([
    [0, 1],
    [1, 1],
    [2, 2],
  ])('where both are as strict: held in term %i, read in term 1, it is that of term %i', (term, winner) => {
    const state = { ...open, term }
    const position = at(open, held(state))
    expect(inForce(position).term).toBe(winner)
    expect(inForce(position) === position.state).toBe(winner === 1)
  })

  test('and so is what led to it', () => {
    expect(causeInForce(at(initialState, held(open)))).toBe(cause)
    expect(causeInForce(at(open, { ...held(initialState), cause: { ...cause, by: 'c' } }))?.by).toBe('c')
  })
})

describe('a preview', () => {
  const last = stored(opened, { seq: 9, expected: 7 })

  test('tightens, and says who and why, without moving the place', () => {
    const seen = preview(unread, last)
    expect(seen).toMatchObject({ seq: 0, state: initialState, held: { why: 'preview', cause: { by: 'a', seq: 9 } } })
    expect(inForce(seen).mode).toBe('open')
  })

  test('of an event that did not lead to the mode says no cause', () => {
    const voted = decided(trip(), { id: 'voted', options: { quorum: 2 } })
    expect(inForce(preview(at(initialState), stored(voted, { seq: 9, expected: 7 }))).votes).toEqual([])
    const passed = decided(
      {
        type: 'probeEnded',
        fence: 'the fence',
        result: 'passed',
        counts: opened.counts,
      },
      { id: 'passed', state: halfOpen, logNow: 11_000, options: { probe: { successesToClose: 2 } } },
    )
    expect(preview(unread, stored(passed, { seq: 9, expected: 7 })).held).not.toHaveProperty('cause')
  })

  test('does not loosen, and an older or unreadable one changes nothing', () => {
    const closer = decided(
      { type: 'probeEnded', fence: 'the fence', result: 'passed', counts: opened.counts },
      { id: 'closed', state: halfOpen, logNow: 11_000 },
    )
    const position = at(open)
    expect(preview(position, stored(closer, { seq: 9, expected: 7 }))).toBe(position)
    const beyond = at(initialState, { seq: 9 })
    expect(preview(beyond, last)).toBe(beyond)
    const garbage = { ...last, data: new TextEncoder().encode('{') }
    expect(preview(at(initialState), garbage)).toEqual(at(initialState))
  })

  test('is forgotten when the replay is over; what is held for another reason is not', () => {
    const seen = preview(unread, last)
    expect(withoutPreview(seen)).toEqual(unread)
    expect(withoutPreview(unread)).toBe(unread)
    const gap = at(initialState, held(open, 'gap'))
    expect(withoutPreview(gap)).toBe(gap)
  })
})

describe('after a silence', () => {
  test('what was adopted is certain, and nothing is held for a gap’s sake', () => {
    expect(settle(at(initialState, { provisional: true, ...held(open) }))).toEqual(at(initialState))
    expect(settle(at(open, { provisional: true }))).toEqual(at(open))
  })

  test('what stood in a log that is gone is held on', () => {
    const position = at(initialState, { provisional: true, ...held(open, 'epoch') })
    expect(settle(position)).toEqual({ ...position, provisional: false })
  })
})

describe('a new log', () => {
  test('of which nothing was read holds what was in force, unless nothing ever happened', () => {
    expect(intoNewEpoch(at(open, { cause }))).toEqual({ ...unread, held: { state: open, why: 'epoch', cause } })
    expect(intoNewEpoch(at(initialState))).toBe(unread)
  })
})

describe('what was retained, read at once, knows who opened', () => {
  const first = stored(opened, { seq: 3, expected: 0 })
  const second = stored(claimed, { seq: 5, expected: 3, at: 11_000 })
  const passed = decided(
    { type: 'probeEnded', fence: 'claimed', result: 'passed', counts: opened.counts },
    {
      id: 'passed',
      instance: 'b',
      state: inForce(foldRetained(unread, [first, second])),
      logNow: 11_500,
      options: { probe: { successesToClose: 2 } },
    },
  )
  const third = stored(passed, { seq: 6, expected: 5, at: 11_500 })

  test('from an event before the last one', () => {
    expect(foldRetained(unread, [first])).toMatchObject({ seq: 3, cause: { by: 'a', seq: 3 } })
    expect(foldRetained(unread, [first, second])).toMatchObject({ state: { mode: 'halfOpen' }, cause: { seq: 5 } })
    expect(foldRetained(unread, [first, second, third])).toMatchObject({ seq: 6, cause: { by: 'b', seq: 5 } })
  })

  test('from the very first one, and from none where it is not there', () => {
    const lost = stored(decided({ type: 'order', kind: 'disabled', order }, { id: 'lost' }), { seq: 4, expected: 0 })
    expect(foldRetained(unread, [first, lost])).toEqual({
      ...foldRetained(unread, [first]),
      seq: 4,
    })
    expect(foldRetained(at(open, { seq: 5 }), [third])).not.toHaveProperty('cause')
  })

  test('as if it was read one by one, whatever follows the last that counts', () => {
    const lost = stored(decided({ type: 'order', kind: 'disabled', order }, { id: 'lost' }), { seq: 7, expected: 3 })
    const oneByOne = [first, second, third, lost].reduce((read, message) => fold(read, message).position, unread)
    expect(foldRetained(unread, [first, second, third, lost])).toEqual(oneByOne)
    expect(foldRetained(oneByOne, [first, second, third, lost])).toBe(oneByOne)
  })
})

test('a stale message and one that agrees carry no divergence', () => {
  const { position, verdict } = fold(unread, stored(opened, { seq: 3, expected: 0 }))
  expect(verdict).not.toHaveProperty('divergence')
  expect(fold(position, stored(opened, { seq: 3, expected: 0 })).verdict).toEqual({ accepted: false, why: 'stale' })
})

test('an event under headers that are not its own cannot be read, and says why', () => {
  const strange = { ...stored(opened, { seq: 3, expected: 0 }), id: 'another' }
  expect(fold(unread, strange).verdict).toMatchObject({
    why: 'undecodable',
    detail: 'it is not the event that its headers name',
  })
})
