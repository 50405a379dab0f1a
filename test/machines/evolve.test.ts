import { describe, expect, test } from 'vitest'
import { createActor, createMachine, transition } from 'xstate'
import type { Fact } from '../../src/machines/breaker-events.ts'
import { breakerMachine, evolve } from '../../src/machines/breaker-machine.ts'
import { initialState, type FleetState, type Mode } from '../../src/machines/fleet-state.ts'
import { betweenProbes, disabled, forcedOpen, halfOpen, open, order } from './authored.ts'

const at = 11_500
const happened = (fact: Fact, when = at) => ({ fact, id: 'the event', by: 'a', at: when })
const fence = 'the fence'
const vote = (voter: string, ago: number) => ({ voter, at: at - ago })
const votedBy = (...ages: number[]): FleetState => ({
  ...initialState,
  votes: ages.map((ago, index) => vote(`voter ${index}`, ago)),
})
const lease = { fence: 'the event', holder: 'a', attempt: 2, until: at + 5_000 }
const claimed: Fact = { type: 'probeClaimed', leaseMs: 5_000, attempt: 2 }
const restored = (mode: Mode, term: number): Fact => ({
  type: 'restored',
  state: { ...initialState, mode, term, ...(mode === 'open' && { retryAfterMs: 500 }) },
})

type Row = readonly [
  what: string,
  before: FleetState,
  fact: Fact,
  after: { readonly [K in keyof FleetState]?: FleetState[K] | undefined } | undefined,
  when?: number,
]

const accepted: readonly Row[] = [
  ['closed: a vote adds a voter', initialState, { type: 'voted' }, { mode: 'closed', votes: [{ voter: 'a', at }] }],
  [
    'closed: a vote renews the one before, and none is pruned by age',
    {
      ...initialState,
      votes: [
        { voter: 'a', at: 1 },
        { voter: 'b', at: 2 },
      ],
    },
    { type: 'voted' },
    {
      votes: [
        { voter: 'b', at: 2 },
        { voter: 'a', at },
      ],
    },
  ],
  [
    'closed: of 17 voters the latest 16 are kept',
    { ...initialState, votes: Array.from({ length: 16 }, (_, index) => ({ voter: `v${index}`, at: index })) },
    { type: 'voted' },
    {
      votes: [
        ...Array.from({ length: 15 }, (_, index) => ({ voter: `v${index + 1}`, at: index + 1 })),
        { voter: 'a', at },
      ],
    },
  ],
  [
    'closed: opened with quorum 1',
    { ...votedBy(5), failedRecoveries: 0 },
    { type: 'opened', quorum: 1, retryAfterMs: 700 },
    { mode: 'open', term: 1, retryAt: at + 700, votes: [], failedRecoveries: 0 },
  ],
  [
    'closed: opened with quorum 3 by 3 fresh votes, the oldest of exactly 60 s',
    votedBy(0, 59_999, 60_000),
    { type: 'opened', quorum: 3, retryAfterMs: 700 },
    { mode: 'open', term: 1, votes: [] },
  ],
  [
    'open: claimed at retryAt',
    open,
    claimed,
    { mode: 'halfOpen', term: 1, lease: { ...lease, until: 16_000 } },
    11_000,
  ],
  [
    'half-open without a lease: claimed',
    betweenProbes,
    claimed,
    { mode: 'halfOpen', attempts: 2, failedRecoveries: 0, lease },
  ],
  [
    'half-open: a dead holder’s lease is taken over at its end, and counts as a failed recovery',
    { ...halfOpen, passes: 1 },
    claimed,
    { mode: 'halfOpen', failedRecoveries: 1, passes: 1, attempts: 2, lease: { ...lease, until: 17_000 } },
    12_000,
  ],
  [
    'half-open: a probe passed, another must',
    halfOpen,
    { type: 'probePassed', fence },
    { mode: 'halfOpen', passes: 1, lease: undefined },
  ],
  [
    'half-open: a probe said nothing',
    { ...halfOpen, passes: 1 },
    { type: 'probeReleased', fence },
    { mode: 'halfOpen', passes: 1, lease: undefined },
  ],
  [
    'half-open: released also after its end',
    halfOpen,
    { type: 'probeReleased', fence },
    { mode: 'halfOpen', lease: undefined },
    99_000,
  ],
  [
    'half-open: closed',
    { ...halfOpen, failedRecoveries: 3, passes: 2 },
    { type: 'closed', fence },
    { mode: 'closed', term: 1, failedRecoveries: 0, passes: 0, attempts: 0 },
  ],
  [
    'half-open: reopened, with a term and a failed recovery more',
    { ...halfOpen, failedRecoveries: 3, passes: 2 },
    { type: 'reopened', fence, retryAfterMs: 900 },
    { mode: 'open', term: 2, failedRecoveries: 4, passes: 0, attempts: 0, retryAt: at + 900, lease: undefined },
  ],
  ['closed: forced open', votedBy(5), { type: 'forcedOpen', order }, { mode: 'forcedOpen', term: 1, order, votes: [] }],
  [
    'open: disabled for a time',
    open,
    { type: 'disabled', order: { ...order, forMs: 10 } },
    { mode: 'disabled', term: 2, order: { ...order, until: at + 10 }, retryAt: undefined },
  ],
  [
    'half-open: forced open',
    halfOpen,
    { type: 'forcedOpen', order },
    { mode: 'forcedOpen', term: 2, lease: undefined },
  ],
  ['forced open: disabled', forcedOpen, { type: 'disabled', order }, { mode: 'disabled', term: 2, order }],
  ['disabled: forced open', disabled, { type: 'forcedOpen', order }, { mode: 'forcedOpen', term: 2 }],
  [
    'forced open: forced open again',
    forcedOpen,
    { type: 'forcedOpen', order: { by: 'bob', reason: 'still' } },
    { mode: 'forcedOpen', term: 2, order: { by: 'bob', reason: 'still' } },
  ],
  [
    'forced open: released by an operator',
    forcedOpen,
    { type: 'released', order },
    { mode: 'closed', term: 2, order: undefined, failedRecoveries: 0 },
  ],
  [
    'forced open: released when its time is over',
    forcedOpen,
    { type: 'released' },
    { mode: 'closed', term: 2 },
    15_000,
  ],
  ['disabled: released by an operator', disabled, { type: 'released', order }, { mode: 'closed', term: 2 }],
  ...(['closed', 'open', 'halfOpen', 'forcedOpen', 'disabled'] as const).map((mode): Row => [
    `open: restored as ${mode} with a higher term`,
    open,
    restored(mode, 2),
    { mode, term: 2 },
  ]),
]

const refused: readonly Row[] = [
  ['closed: opened with quorum 2 by one vote', votedBy(0), { type: 'opened', quorum: 2, retryAfterMs: 1 }, undefined],
  [
    'closed: opened with quorum 2 by a fresh and a stale vote',
    votedBy(0, 60_001),
    { type: 'opened', quorum: 2, retryAfterMs: 1 },
    undefined,
  ],
  ['closed: claimed', initialState, claimed, undefined],
  ['closed: closed', initialState, { type: 'closed', fence }, undefined],
  ['closed: reopened', initialState, { type: 'reopened', fence, retryAfterMs: 1 }, undefined],
  ['closed: released', initialState, { type: 'released', order }, undefined],
  ['open: opened again', open, { type: 'opened', quorum: 1, retryAfterMs: 1 }, undefined],
  ['open: voted', open, { type: 'voted' }, undefined],
  ['open: claimed 1 ms too early', open, claimed, undefined, 10_999],
  ['open: closed', open, { type: 'closed', fence }, undefined],
  ['open: released', open, { type: 'released', order }, undefined],
  ['half-open: opened', halfOpen, { type: 'opened', quorum: 1, retryAfterMs: 1 }, undefined],
  ['half-open: voted', halfOpen, { type: 'voted' }, undefined],
  ['half-open: claimed while leased, 1 ms before its end', halfOpen, claimed, undefined, 11_999],
  ...(['probePassed', 'probeReleased', 'closed'] as const).flatMap((type): Row[] => [
    [`half-open: ${type} with another fence`, halfOpen, { type, fence: 'another' }, undefined],
    [`half-open: ${type} when nobody has the lease`, betweenProbes, { type, fence }, undefined],
  ]),
  [
    'half-open: reopened with another fence',
    halfOpen,
    { type: 'reopened', fence: 'another', retryAfterMs: 1 },
    undefined,
  ],
  ['half-open: passed at the lease’s end', halfOpen, { type: 'probePassed', fence }, undefined, 12_000],
  ['half-open: closed at the lease’s end', halfOpen, { type: 'closed', fence }, undefined, 12_000],
  ['half-open: reopened at the lease’s end', halfOpen, { type: 'reopened', fence, retryAfterMs: 1 }, undefined, 12_000],
  ['half-open: released by an operator', halfOpen, { type: 'released', order }, undefined],
  ['forced open: released 1 ms before its time is over', forcedOpen, { type: 'released' }, undefined, 14_999],
  ['disabled without an end: released by time', disabled, { type: 'released' }, undefined, 10 ** 15],
  ['forced open: opened', forcedOpen, { type: 'opened', quorum: 1, retryAfterMs: 1 }, undefined],
  ['forced open: claimed', forcedOpen, claimed, undefined, 10 ** 15],
  ['disabled: opened', disabled, { type: 'opened', quorum: 1, retryAfterMs: 1 }, undefined],
  ['disabled: voted', disabled, { type: 'voted' }, undefined],
  ['open: restored with the same term', open, restored('closed', 1), undefined],
  ['open: restored with a lower term', open, restored('closed', 0), undefined],
]

describe('the machine takes', () => {
  test.each(named(accepted))('%s', (_what, [, before, fact, after, when]) => {
    const next = evolve(before, happened(fact, when))
    expect(next).toBeDefined()
    for (const [key, value] of Object.entries(after ?? {}))
      expect([key, Reflect.get(next ?? {}, key)]).toEqual([key, value])
  })
})

describe('the machine refuses', () => {
  test.each(named(refused))('%s', (_what, [, before, fact, , when]) => {
    expect(evolve(before, happened(fact, when))).toBeUndefined()
  })
})

describe('the machine', () => {
  test('is plain data, which survives JSON, so that a visualizer can show it', () => {
    const { config } = breakerMachine
    expect(JSON.parse(JSON.stringify(config))).toEqual(dropUndefined(config))
    expect(Object.keys(config.states ?? {})).toEqual(['closed', 'open', 'halfOpen', 'forcedOpen', 'disabled'])
  })

  test('made again from that data, with the same guards and actions, takes and refuses the same', () => {
    const { config, implementations } = breakerMachine
    const again = createMachine(JSON.parse(JSON.stringify(config)) as typeof config, implementations as never)
    for (const [, before, fact, , when] of [...accepted, ...refused]) {
      const { mode, ...context } = before
      const event = { ...fact, ...happened(fact, when) }
      const from = again.resolveState({
        value: mode,
        context: { retryAt: undefined, lease: undefined, order: undefined, ...context },
      })
      const [to] = transition(again, from, event)
      const expected = evolve(before, happened(fact, when))
      expect(to === from ? undefined : to.value).toEqual(expected?.mode)
      if (expected !== undefined) expect(to.context).toMatchObject({ term: expected.term, votes: expected.votes })
    }
  })

  test('begins where every breaker does, under a name that a visualizer can show', () => {
    expect(breakerMachine.id).toBe('breaker')
    const { value, context } = createActor(breakerMachine).getSnapshot() as { value: unknown; context: unknown }
    const { mode, ...rest } = initialState
    expect([value, context]).toEqual([mode, { ...rest, retryAt: undefined, lease: undefined, order: undefined }])
  })

  test('has no key for what does not apply, so that equal states are equal bytes', () => {
    const keysOf = (before: FleetState, fact: Fact): readonly string[] =>
      Object.keys(evolve(before, happened(fact)) ?? {})
    const always = ['mode', 'term', 'failedRecoveries', 'passes', 'attempts', 'votes']
    expect(keysOf(initialState, { type: 'voted' })).toEqual(always)
    expect(keysOf(initialState, { type: 'opened', quorum: 1, retryAfterMs: 1 })).toEqual([...always, 'retryAt'])
    expect(keysOf(open, claimed)).toEqual([...always, 'lease'])
    expect(keysOf(open, { type: 'forcedOpen', order })).toEqual([...always, 'order'])
  })

  test('ignores an event of a name that it does not know', () => {
    for (const before of [initialState, open, halfOpen, forcedOpen, disabled])
      expect(evolve(before, happened({ type: 'paused' } as never))).toBeUndefined()
  })
})

function named(rows: readonly Row[]): readonly (readonly [string, Row])[] {
  return rows.map((row) => [row[0], row])
}

/** As JSON sees it. */
function dropUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropUndefined)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [] : [[key, dropUndefined(inner)]])),
  )
}
