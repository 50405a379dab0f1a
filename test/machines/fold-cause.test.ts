import { describe, expect, test } from 'vitest'
import type { StoredMessage } from '../../src/ports/event-log.ts'
import { fold, foldRetained, inForce, unread, type Held, type Position } from '../../src/machines/fold.ts'
import { initialState, type FleetState } from '../../src/machines/fleet-state.ts'
import { decided, forcedOpen, halfOpen, open, order, stored, trip } from './authored.ts'

const opened = decided(trip(), { id: 'opened', instance: 'a' })
const claimed = decided({ type: 'claim' }, { id: 'claimed', instance: 'b', state: open, logNow: 11_000 })
const passed = decided(
  { type: 'probeEnded', fence: 'the fence', result: 'passed', counts: opened.counts },
  { id: 'passed', instance: 'b', state: halfOpen, logNow: 11_500, options: { probe: { successesToClose: 2 } } },
)
const first = stored(opened, { seq: 3, expected: 0 })
const second = stored(claimed, { seq: 5, expected: 3 })

const at = (state: FleetState, more: Partial<Position> = {}): Position => ({
  seq: 3,
  acceptedSeq: 3,
  state,
  provisional: false,
  ...more,
})
const held = (state: FleetState, why: Held['why'] = 'gap'): { readonly held: Held } => ({ held: { state, why } })

describe('what is held', () => {
  test('is in force for being stricter, not for being newer', () => {
    const newer = { ...initialState, term: 9 }
    expect(inForce(at(open, held(newer)))).toBe(open)
  })

  test.each([0, 1])('in term %i is held no more once term 1 is certain', (term) => {
    const { position } = fold(at(open, { provisional: true, ...held({ ...open, term }) }), second)
    expect(position).toMatchObject({ provisional: false, state: { mode: 'halfOpen', term: 1 } })
    expect(position).not.toHaveProperty('held')
  })

  test('in a later term is held on, and so is all of it while what is read is uncertain', () => {
    const position = at(open, held({ ...forcedOpen, term: 2 }, 'epoch'))
    expect(fold(position, second).position).toMatchObject({ state: { mode: 'halfOpen' }, held: position.held })
    const uncertain = fold(position, { ...second, expected: 4 }).position
    expect(uncertain.provisional).toBe(true)
    expect(uncertain.held).toBe(position.held)
  })

  test('after a gap is what was in force before it', () => {
    const { position } = fold(at(open), { ...second, expected: 4 })
    expect(position).toMatchObject({ provisional: true, held: { why: 'gap', state: open } })
  })
})

describe('the cause', () => {
  const cause = { by: 'c', at: 1, reason: 'a test', counts: opened.counts, seq: 2 }

  test('of an order is who gave it', () => {
    const ordered = decided({ type: 'order', kind: 'forcedOpen', order }, { id: 'ordered', instance: 'a' })
    expect(fold(unread, stored(ordered, { seq: 1, expected: 0 })).position.cause).toMatchObject({ by: 'ann', seq: 1 })
  })

  test('is another one when the same is ordered again', () => {
    const again = decided({ type: 'order', kind: 'forcedOpen', order }, { id: 'again', state: forcedOpen })
    const { position } = fold(at(forcedOpen, { cause }), stored(again, { seq: 4, expected: 3 }))
    expect(position).toMatchObject({ state: { mode: 'forcedOpen', term: 2 }, cause: { by: 'ann', seq: 4 } })
  })

  test('is found in an event that leads to where the reader was without knowing why', () => {
    const { position } = fold(at(open), stored(opened, { seq: 4, expected: 3 }))
    expect(position).toMatchObject({ state: { mode: 'open', term: 1 }, cause: { by: 'a', seq: 4 } })
    expect(fold(at(open, { cause }), stored(opened, { seq: 4, expected: 3 })).position.cause).toBe(cause)
  })
})

describe('of what is retained, the cause', () => {
  test('may be the very first message', () => {
    const read = foldRetained(at(open), [second, stored(passed, { seq: 6, expected: 5 })])
    expect(read).toMatchObject({ seq: 6, state: { mode: 'halfOpen' }, cause: { by: 'b', seq: 5 } })
  })

  test('is no message that lost its race', () => {
    const rival = decided({ type: 'claim' }, { id: 'rival', instance: 'c', state: open, logNow: 11_000 })
    const lost = stored(rival, { seq: 6, expected: 3 })
    const read = foldRetained(unread, [first, second, lost, stored(passed, { seq: 7, expected: 6 })])
    expect(read).toMatchObject({ seq: 7, acceptedSeq: 7, cause: { by: 'b', seq: 5 } })
  })

  test.each<[what: string, messages: readonly StoredMessage[]]>([
    ['another mode in the same term', [first, stored(passed, { seq: 4, expected: 3 })]],
    [
      'the same mode in another term',
      [
        stored(decided({ type: 'order', kind: 'released', order }, { id: 'released', state: forcedOpen }), {
          seq: 3,
          expected: 0,
        }),
        stored(decided(trip(7), { id: 'voted', state: { ...initialState, term: 7 }, options: { quorum: 2 } }), {
          seq: 4,
          expected: 3,
        }),
      ],
    ],
  ])('is no message that led to %s', (_what, messages) => {
    const read = foldRetained(unread, messages)
    expect(read).toMatchObject({ seq: 4, acceptedSeq: 4 })
    expect(read).not.toHaveProperty('cause')
  })
})

describe('what is retained', () => {
  test('is read from its end: what comes before the one that decides is not even decoded', () => {
    const decoded: number[] = []
    const watched = (message: StoredMessage): StoredMessage => ({
      ...message,
      get data() {
        decoded.push(message.seq)
        return message.data
      },
    })
    expect(foldRetained(unread, [watched(first), watched(second)])).toMatchObject({ seq: 5, cause: { seq: 5 } })
    expect(decoded).toEqual([5])
  })

  test('does not count as much as can be for what was read before', () => {
    const read = foldRetained(at(open), [first, second], 2)
    expect(read).toMatchObject({ seq: 5, provisional: false, state: { mode: 'halfOpen' } })
  })
})
