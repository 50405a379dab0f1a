import * as fc from 'fast-check'
import type { StoredMessage } from '../ports/event-log.ts'
import { encodeEvent, wireType } from '../machines/breaker-codec.ts'
import { decide, leaseGraceMs, noCounts, type Intent, type Situation } from '../machines/breaker-decide.ts'
import type { BreakerEvent, Fact } from '../machines/breaker-events.ts'
import { breakerSettings, type BreakerOptions, type BreakerSettings } from '../machines/breaker-options.ts'
import { voteFreshMs } from '../machines/fleet-state.ts'
import { fold, unread, type Position, type Verdict } from '../machines/fold.ts'

/** What one author does next, as plain data; what it means depends on the state that the author sees. */
export interface LogStep {
  readonly author: number
  /** Which of the intents that the state has a use for. */
  readonly choice: number
  /** Which of the moments that matter in the state: at once, just before an end, at it, just after it. */
  readonly moment: number
  readonly fault: LogFault
}

export type LogFault =
  | 'none'
  | 'behind' // the author has not seen the last message; the log refuses what it appends
  | 'secondWinner' // the same, and the log takes it all the same
  | 'late' // what it sent arrives 20 s later, or when a lease has passed, or just when it ends
  | 'early' // the log's time is that of before what the event waited for
  | 'garbage' // bytes that are no event
  | 'unknown' // of a type that nobody knows
  | 'forged' // an event whose guard does not hold
  | 'useless' // an intent drawn from all of them, wanted or not

export interface LogScript {
  /** Of all authors' breaker. */
  readonly options: BreakerOptions
  readonly steps: readonly LogStep[]
}

/** A log as it was written, and what its readers make of each message. */
export interface WrittenLog {
  readonly messages: readonly StoredMessage[]
  /** The position after each message. */
  readonly positions: readonly Position[]
  readonly verdicts: readonly Verdict[]
}

export interface LogScriptOptions {
  /** Begins with a breaker that has opened, and whose probe is claimed. */
  readonly fromHalfOpen?: boolean
  readonly stepsMax?: number
  readonly faults?: readonly LogFault[]
  /** Which breakers scripts choose from; such as recover and probe soon. */
  readonly breakers?: fc.Arbitrary<BreakerOptions>
}

const allFaults: readonly LogFault[] = [
  'behind',
  'secondWinner',
  'late',
  'early',
  'garbage',
  'unknown',
  'forged',
  'useless',
]

/** Scripts that reach every state and every row of the machine's table, with the given faults in about a third of the steps. */
export function logScripts({
  stepsMax = 18,
  faults = allFaults,
  fromHalfOpen = false,
  breakers = quickBreakers(fromHalfOpen),
}: LogScriptOptions = {}): fc.Arbitrary<LogScript> {
  const none = { weight: 2 * Math.max(1, faults.length), arbitrary: fc.constant<LogFault>('none') }
  const fault = fc.oneof(none, ...faults.map((of) => ({ weight: 1, arbitrary: fc.constant(of) })))
  const steps = fc.array(fc.record({ author: fc.nat(3), choice: fc.nat(99), moment: fc.nat(99), fault }), {
    minLength: 1,
    maxLength: stepsMax,
    size: 'max',
  })
  return fc.tuple(breakers, steps).map(([options, rest]) => {
    const { quorum = 1 } = options
    // So many votes in time hardly come by chance; with more than there are authors, never.
    const isHelped = quorum > authors || (quorum > 2 && rest.length % 2 === 0)
    return { options, steps: [...(fromHalfOpen || isHelped ? halfOpening(options) : []), ...rest] }
  })
}

/** Who writes beside those that a quorum needs. */
const authors = 4

function quickBreakers(fromHalfOpen: boolean): fc.Arbitrary<BreakerOptions> {
  return fc.record({
    quorum: fromHalfOpen ? fc.constant(1) : fc.constantFrom(1, 1, 1, 2, 3),
    recoveryTimeoutMs: fc.constant(1_000),
    recoveryBackoff: fc.constant({ maxMs: 5_000 }),
    probe: fc.record({ leaseMs: fc.constant(2_000), successesToClose: fc.constantFrom(1, 1, 2) }),
  })
}

/** As many trips as open it, of different authors, and a claim. */
function halfOpening({ quorum = 1 }: BreakerOptions): readonly LogStep[] {
  const trips = Array.from({ length: quorum > 1 ? quorum + 1 : 1 }, (_, author) => ({ ...tripStep, author }))
  return [...trips, claimStep]
}

const tripStep: LogStep = { author: 0, choice: 0, moment: 0, fault: 'none' }
/** At `retryAt`, the second of the moments that matter then. */
const claimStep: LogStep = { author: 1, choice: 0, moment: 1, fault: 'none' }

export const logTopic = 'smtp'
const startAt = 1_000_000

/** Lets the authors of a script write their log, each by the real `decide` on what it has read. */
export function writeLog(script: LogScript): WrittenLog {
  const settings = breakerSettings(script.options)
  const written: { messages: StoredMessage[]; positions: Position[]; verdicts: Verdict[] } = {
    messages: [],
    positions: [],
    verdicts: [],
  }
  let now = startAt
  script.steps.forEach((step, index) => {
    now = momentOf(written.positions.at(-1) ?? unread, step.moment, now)
    const message = messageOf(step, index, now, settings, written.positions)
    if (message === undefined) return
    now = Math.max(now, message.at)
    const seq = (written.messages.at(-1)?.seq ?? 0) + 1 + (index % 3)
    const stored = { ...message, seq }
    const { position, verdict } = fold(written.positions.at(-1) ?? unread, stored)
    written.messages.push(stored)
    written.positions.push(position)
    written.verdicts.push(verdict)
  })
  return written
}

/** A moment that matters: now, or around the end of what the state waits for. */
function momentOf({ state }: Position, choice: number, now: number): number {
  const { retryAt, lease, order } = state
  const voteEnd = state.votes[0] === undefined ? undefined : state.votes[0].at + voteFreshMs
  const ends = [retryAt, lease?.until, lease && lease.until + leaseGraceMs, order?.until, voteEnd].flatMap((end) =>
    end === undefined ? [] : [end - 1, end, end + 1],
  )
  // Mostly little time passes: else nobody would ever report within a lease.
  const moments = [...ends, ...Array.from({ length: ends.length + 2 }, (_, at) => now + at * 7)]
  return Math.max(now, moments[choice % moments.length] ?? now)
}

function messageOf(
  step: LogStep,
  index: number,
  now: number,
  settings: BreakerSettings,
  positions: readonly Position[],
): Omit<StoredMessage, 'seq'> | undefined {
  const { fault } = step
  const isBehind = fault === 'behind' || fault === 'secondWinner'
  const view = positions.at(isBehind ? -2 : -1) ?? unread
  const id = `E${String(index).padStart(25, '0')}`
  const store = (data: Uint8Array, at = now) => ({ topic: logTopic, id, expected: view.seq, data, at })
  if (fault === 'garbage') return store(garbage(step.choice))

  const situation: Situation = {
    breaker: logTopic,
    fleet: 'default',
    instance: `author ${step.author}`,
    state: view.state,
    settings,
    logNow: now,
    wallNow: now,
    chance: (step.choice % 10) / 10,
    id,
  }
  const event = decide(intentOf(step, situation), situation)
  if (fault === 'forged') return store(encodeEvent(forged(step, situation)))
  // An honest log refuses what rests on an old view: nothing is stored.
  if (event === undefined || (isBehind && fault !== 'secondWinner' && positions.length > 0)) return undefined
  if (fault === 'unknown') return store(encodeEvent({ ...event, type: event.type.replace('.v1', '.v9') }))
  const leaseEnd = step.choice % 2 === 0 ? view.state.lease?.until : undefined
  if (fault === 'late')
    return store(encodeEvent(event), Math.max(now, leaseEnd ?? now + Math.max(20_000, settings.leaseMs)))
  if (fault === 'early' && event.notBefore !== null)
    return store(encodeEvent({ ...event, notBefore: event.notBefore + 60_000 }))
  return store(encodeEvent(event))
}

/** An intent that the state has a use for, or, where the step is useless on purpose, any. */
function intentOf({ choice, author, fault }: LogStep, { state, instance, settings }: Situation): Intent {
  const { baseMs } = settings.recovery
  const useful = usefulIntents(state.mode, state.lease?.holder === instance || choice % 3 > 0)
  const kinds = fault === 'useless' ? allKinds : useful
  const kind = kinds[choice % kinds.length] ?? 'trip'
  const order = { by: `operator ${author}`, reason: 'a reason', ...(choice % 2 === 0 && { forMs: 5_000 }) }
  switch (kind) {
    case 'trip':
      return { type: 'trip', term: state.term, reason: 'failureThreshold', counts: noCounts, recoveryMs: baseMs }
    case 'countVotes':
      return { type: 'countVotes', counts: noCounts }
    case 'claim':
      return { type: 'claim' }
    case 'forcedOpen':
    case 'disabled':
    case 'released':
      return { type: 'order', kind, order }
    case 'orderOver':
      return { type: 'orderOver' }
    case 'restore':
      return { type: 'restore', state: { ...state, term: state.term + 1 + (choice % 2) } }
    default:
      return { type: 'probeEnded', fence: state.lease?.fence ?? 'none', result: kind, counts: noCounts }
  }
}

const allKinds = [
  'trip',
  'countVotes',
  'claim',
  'passed',
  'failed',
  'hung',
  'ignored',
  'forcedOpen',
  'disabled',
  'released',
  'orderOver',
  'restore',
] as const

function usefulIntents(mode: string, ownsProbe: boolean): readonly (typeof allKinds)[number][] {
  if (mode === 'closed')
    return ['trip', 'trip', 'trip', 'trip', 'countVotes', 'trip', 'trip', 'forcedOpen', 'disabled', 'restore']
  if (mode === 'open') return ['claim', 'claim', 'claim', 'claim', 'claim', 'claim', 'disabled', 'restore']
  if (mode === 'halfOpen')
    return ownsProbe
      ? ['passed', 'passed', 'failed', 'ignored', 'claim', 'hung', 'passed', 'claim', 'forcedOpen']
      : ['claim', 'claim', 'claim', 'restore']
  return ['released', 'orderOver', 'orderOver', 'released', 'forcedOpen', 'disabled', 'restore']
}

/** An event that says of itself that it follows, although the machine forbids it in this state or with these facts. */
function forged({ choice, author }: LogStep, { state, instance, logNow, id }: Situation): BreakerEvent {
  const order = { by: 'a forger', reason: 'none' }
  const facts: readonly Fact[] = [
    // One vote more than there are: the nearest that the machine must not take.
    { type: 'opened', quorum: Math.max(2, state.votes.length + 1), retryAfterMs: 1_000 },
    { type: 'probeClaimed', leaseMs: 1_000, attempt: 1 },
    { type: 'closed', fence: `not the fence of ${author}` },
    { type: 'reopened', fence: 'not the fence', retryAfterMs: 1 },
    { type: 'probePassed', fence: 'not the fence' },
    { type: 'probeReleased', fence: 'not the fence' },
    { type: 'released', ...(choice % 2 === 0 && { order }) },
  ]
  const fact = facts[choice % facts.length] ?? { type: 'voted' }
  return {
    id,
    breaker: logTopic,
    fleet: 'default',
    by: instance,
    time: logNow,
    from: state.mode,
    to: 'closed',
    term: state.term,
    reason: 'forged',
    counts: noCounts,
    notBefore: null,
    validUntil: logNow + 10_000,
    before: state,
    after: { mode: 'closed', term: state.term, failedRecoveries: 0, passes: 0, attempts: 0, votes: [] },
    fact,
    type: wireType(fact.type),
  }
}

function garbage(choice: number): Uint8Array {
  const texts = ['', '{', 'null', '[]', '{"specversion":"1.0"}', '"a text"', '{"data":{}}', '\u0000\uffff']
  if (choice % 9 === 8) return new Uint8Array([0xff, 0xfe, 0xc0, 0x80])
  return new TextEncoder().encode(texts[choice % texts.length] ?? '')
}
