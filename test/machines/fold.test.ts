import { describe, expect, test } from 'vitest'
import type { StoredMessage } from '../../src/ports/event-log.ts'
import type { BreakerEvent } from '../../src/machines/breaker-events.ts'
import { fold, foldRetained, inForce, unread, type Position } from '../../src/machines/fold.ts'
import { decided, disabled, forcedOpen, halfOpen, open, order, stored, trip } from './authored.ts'

const opened = decided(trip(), { id: 'opened', logNow: 10_000 })
const first = stored(opened, { seq: 3, expected: 0 })

/** Reads messages one by one; the last position and all verdicts, in words. */
function read(messages: readonly StoredMessage[], from: Position = unread) {
  const verdicts: string[] = []
  let position = from
  for (const message of messages) {
    const folded = fold(position, message)
    position = folded.position
    const { verdict } = folded
    verdicts.push(verdict.accepted ? (verdict.provisional ? 'provisional' : 'accepted') : verdict.why)
  }
  return { position, verdicts }
}

const certainly = (state: Position['state'], seq = 3): Position => ({
  seq,
  acceptedSeq: seq,
  state,
  provisional: false,
})

describe('rule 1: the expected sequence is that of the message before', () => {
  test('the place of the last one that was accepted is not moved by one that was not', () => {
    const { position } = read([first, { ...stored(decided(trip()), { seq: 4, expected: 0 }), id: 'another' }])
    expect(position).toMatchObject({ seq: 4, acceptedSeq: 3 })
  })

  test('the first of a breaker expects 0', () => {
    const { position, verdicts } = read([first])
    expect(verdicts).toEqual(['accepted'])
    expect(position).toMatchObject({ seq: 3, provisional: false, state: { mode: 'open', term: 1, retryAt: 11_000 } })
  })

  test('of two winners on the same predecessor the first one counts, for every reader', () => {
    const rival = stored(decided({ type: 'order', kind: 'forcedOpen', order }, { id: 'rival' }), {
      seq: 4,
      expected: 0,
    })
    const { position, verdicts } = read([first, rival])
    expect(verdicts).toEqual(['accepted', 'lostRace'])
    expect(position).toMatchObject({ seq: 4, state: { mode: 'open' } })
    const claim = decided({ type: 'claim' }, { id: 'claim', state: position.state, logNow: 11_000 })
    expect(read([stored(claim, { seq: 5, expected: 3 })], position).verdicts, 'who missed the loser').toEqual([
      'lostRace',
    ])
    expect(read([stored(claim, { seq: 5, expected: 4 })], position).verdicts, 'who saw it').toEqual(['accepted'])
  })

  test('after a gap a message is taken by its word, as provisional; the next one makes it certain', () => {
    const claim = decided({ type: 'claim' }, { id: 'claim', state: open, logNow: 11_000 })
    const { position } = read([stored(claim, { seq: 9, expected: 7 })], certainly(open))
    expect(position).toMatchObject({
      seq: 9,
      provisional: true,
      state: { mode: 'halfOpen', lease: { fence: 'claim' } },
    })
    const { state } = position
    const closed = decided(
      { type: 'probeEnded', fence: 'claim', result: 'passed', counts: opened.counts },
      { id: 'closed', state, logNow: 11_500 },
    )
    const after = read([stored(closed, { seq: 11, expected: 9 })], position)
    expect(after.verdicts).toEqual(['accepted'])
    expect(after.position).toMatchObject({ provisional: false, state: { mode: 'closed', term: 1 } })
  })

  test('what is provisional tightens at once, and does not loosen', () => {
    const released = decided(
      { type: 'order', kind: 'released', order },
      { id: 'released', state: forcedOpen, logNow: 12_000 },
    )
    const loosened = read([stored(released, { seq: 9, expected: 7 })], certainly(forcedOpen)).position
    expect([loosened.state.mode, inForce(loosened).mode]).toEqual(['closed', 'forcedOpen'])
    const tightened = read([stored(opened, { seq: 9, expected: 7 })], certainly(disabled)).position
    expect(inForce(tightened).mode).toBe('open')
  })

  test('a message that was read before, or an older one, changes nothing, and the position does not go back', () => {
    const claim = stored(decided({ type: 'claim' }, { id: 'claim', state: open, logNow: 11_000 }), {
      seq: 5,
      expected: 3,
    })
    const { position } = read([first, claim])
    for (const again of [claim, first])
      expect(fold(position, again)).toMatchObject({ position, verdict: { why: 'stale' } })
  })
})

describe('rule 2: the log stored it within its window', () => {
  const claim = (of: Partial<BreakerEvent> = {}) => ({
    ...decided({ type: 'claim' }, { id: 'claim', state: open, logNow: 11_000 }),
    ...of,
  })

  test.each([
    [10_999, 'early'],
    [11_000, 'accepted'],
    [21_000, 'accepted'],
    [21_001, 'late'],
  ])('a claim that waited for 11,000 and holds for 10 s, stored at %i, is %s', (at, verdict) => {
    expect(read([stored(claim(), { seq: 5, expected: 3, at })], certainly(open)).verdicts).toEqual([verdict])
  })

  test.each([
    [11_999, 'accepted'],
    [12_000, 'forbidden'],
    [12_001, 'late'],
  ])('a result stored at %i, where the lease ends at 12,000, is %s', (at, verdict) => {
    const result = decided(
      { type: 'probeEnded', fence: 'the fence', result: 'passed', counts: opened.counts },
      { id: 'result', state: halfOpen, logNow: 11_000 },
    )
    expect(result.validUntil).toBe(12_000)
    expect(read([stored(result, { seq: 5, expected: 3, at })], certainly(halfOpen)).verdicts).toEqual([verdict])
  })

  test('a provisional one is taken also when its window is over', () => {
    expect(read([stored(claim(), { seq: 9, expected: 7, at: 99_000 })], certainly(open)).verdicts).toEqual([
      'provisional',
    ])
  })
})

describe('rule 3: the guard holds in the state that it names', () => {
  test('an event of a wrong fence is forbidden, and everything goes on', () => {
    const result = decided(
      { type: 'probeEnded', fence: 'the fence', result: 'passed', counts: opened.counts },
      { id: 'result', state: halfOpen, logNow: 11_000 },
    )
    const forged = { ...result, fact: { type: 'closed', fence: 'another' } } as const
    const { position, verdicts } = read([stored(forged, { seq: 5, expected: 3 })], certainly(halfOpen))
    expect(verdicts).toEqual(['forbidden'])
    expect(position).toEqual({ ...certainly(halfOpen), seq: 5 })
  })

  test('its own word for the state before counts, and a reader who computed another one reports both', () => {
    const claim = decided({ type: 'claim' }, { id: 'claim', state: { ...open, failedRecoveries: 4 }, logNow: 11_000 })
    const { position, verdict } = fold(certainly(open), stored(claim, { seq: 5, expected: 3 }))
    expect(verdict).toMatchObject({
      accepted: true,
      divergence: { of: 'before', computed: { failedRecoveries: 0 }, claimed: { failedRecoveries: 4 } },
    })
    expect(position.state).toMatchObject({ mode: 'halfOpen', failedRecoveries: 4 })
  })

  test('an `after` that does not follow is reported, and what follows counts', () => {
    const event = { ...opened, after: { ...opened.after, term: 7 } }
    const { position, verdict } = fold(unread, stored(event, { seq: 3, expected: 0 }))
    expect(verdict).toMatchObject({
      accepted: true,
      divergence: { of: 'after', computed: { term: 1 }, claimed: { term: 7 } },
    })
    expect(position.state.term).toBe(1)
  })
})

describe('what is not known here', () => {
  test.each(['io.switchgear.breaker.paused.v1', 'io.switchgear.breaker.opened.v2', 'com.example.other'])(
    'an event of type %s is taken by its `after`',
    (type) => {
      const { position, verdicts } = read([stored({ ...opened, type }, { seq: 3, expected: 0, at: 10_500 })])
      expect(verdicts).toEqual(['accepted'])
      expect(position.state).toMatchObject({ mode: 'open', term: 1, retryAt: 11_500 })
    },
  )

  test.each([
    ['garbage', new Uint8Array([0xff, 0x00])],
    ['an event of another breaker', stored({ ...opened, breaker: 'slack' }, { seq: 3, expected: 0 }).data],
    ['an event with another id', stored({ ...opened, id: 'another' }, { seq: 3, expected: 0 }).data],
  ])('%s is passed over, and the next message counts', (_what, data) => {
    const { position, verdicts } = read([{ ...first, data }])
    expect(verdicts).toEqual(['undecodable'])
    expect(position).toEqual({ ...unread, seq: 3 })
    expect(read([{ ...first, seq: 4, expected: 3 }], position).verdicts).toEqual(['accepted'])
  })

  test('what cannot be read after a gap leaves the reader uncertain, since something was missed as well', () => {
    const { position } = read([{ ...first, seq: 9, expected: 7, data: new Uint8Array([1]) }], certainly(halfOpen))
    expect(position).toMatchObject({ seq: 9, provisional: true, state: halfOpen })
  })
})

describe('what is retained, read at once', () => {
  const claim = stored(decided({ type: 'claim' }, { id: 'claim', state: open, logNow: 11_000 }), {
    seq: 5,
    expected: 3,
  })

  test('gives what reading it one by one gives', () => {
    expect(foldRetained(unread, [first, claim])).toEqual(read([first, claim]).position)
    expect(foldRetained(read([first]).position, [first, claim])).toEqual(read([first, claim]).position)
  })

  test('is as uncertain after a gap as it is one by one, also where what came before the gap is certain', () => {
    const released = decided(
      { type: 'order', kind: 'released', order },
      { id: 'released', state: forcedOpen, logNow: 12_000 },
    )
    const afterGap = stored(released, { seq: 9, expected: 7 })
    for (const messages of [
      [first, afterGap],
      [first, claim, afterGap],
      [first, afterGap, claim],
    ]) {
      const position = foldRetained(unread, messages)
      expect(position).toEqual(read(messages).position)
      expect(position).toMatchObject({ seq: 9, provisional: true, state: { mode: 'closed' } })
      expect(inForce(position).mode).not.toBe('closed')
    }
  })

  test('of a breaker of which as much is retained as can be, leaves the first message uncertain', () => {
    const only = stored(opened, { seq: 3, expected: 0 })
    expect(foldRetained(unread, [only], 2).provisional).toBe(false)
    expect(foldRetained(unread, [only], 1)).toMatchObject({ provisional: true, state: { mode: 'open' } })
    const undecodable = { ...only, data: new Uint8Array([1]) }
    expect(foldRetained(unread, [undecodable], 1)).toMatchObject({
      seq: 3,
      provisional: true,
      state: { mode: 'closed' },
    })
  })

  test('without anything new is where it was', () => {
    const { position } = read([first, claim])
    expect(foldRetained(position, [first, claim])).toBe(position)
  })
})
