import { growingDelay } from '../kernel/jitter.ts'
import { wireType } from './breaker-codec.ts'
import {
  describeAfter,
  type BreakerEvent,
  type Counts,
  type Fact,
  type Order,
  type StateAfter,
} from './breaker-events.ts'
import { evolve } from './breaker-machine.ts'
import type { BreakerSettings } from './breaker-options.ts'
import { freshVotes, voteFreshMs, type FleetState } from './fleet-state.ts'

/** What this instance saw, or was told, that the fleet may have to hear of. */
export type Intent =
  /** It tripped by itself in this term, or its trip is still fresh; `recoveryMs` was drawn when it tripped. */
  | {
      readonly type: 'trip'
      readonly term: number
      readonly reason: string
      readonly counts: Counts
      readonly recoveryMs: number
    }
  /** It saw somebody vote. */
  | { readonly type: 'countVotes'; readonly counts: Counts }
  /** A call wants to be the probe. */
  | { readonly type: 'claim' }
  /** Its probe ended. */
  | { readonly type: 'probeEnded'; readonly fence: string; readonly result: ProbeResult; readonly counts: Counts }
  | { readonly type: 'order'; readonly kind: 'forcedOpen' | 'disabled' | 'released'; readonly order: Order }
  /** An order's time may be over. */
  | { readonly type: 'orderOver' }
  /** The log was recreated or truncated, and this is where the fleet stood before, as far as this instance knows. */
  | { readonly type: 'restore'; readonly state: FleetState }

/** `hung`: it gave no result within 0.8 of its lease; `ignored`: what it gave says nothing of the dependency. */
export type ProbeResult = 'passed' | 'failed' | 'hung' | 'ignored'

/** Everything that a decision may depend on. */
export interface Situation {
  readonly breaker: string
  readonly fleet: string
  readonly instance: string
  readonly state: FleetState
  readonly settings: BreakerSettings
  /** The log's time, estimated: it can only lag. Whole ms. */
  readonly logNow: number
  /** The wall clock, for people. */
  readonly wallNow: number
  /** The trace of what brought the intent up, if any. */
  readonly traceparent?: string | undefined
  /** Uniform in [0, 1). */
  readonly chance: number
  /** The new event's id. */
  readonly id: string
}

/** How long a proposal may take to reach the log, in ms. */
export const proposalValidMs = 10_000

/** How long after its end a lease may be taken over, in ms: what clocks that run at different speeds may differ by. */
export const leaseGraceMs = 500

/**
 * What this instance proposes, if anything: the one place where chance, clocks and configuration enter the log. Pure.
 * `undefined` when the fleet's state has no use for it (any more).
 */
export function decide(intent: Intent, situation: Situation): BreakerEvent | undefined {
  const proposal = propose(intent, situation)
  if (proposal === undefined) return undefined
  const { breaker, fleet, instance, state, wallNow, id, traceparent } = situation
  const happened = { fact: proposal.fact, id, by: instance, at: situation.logNow }
  const next = evolve(state, happened)
  const validUntil = Math.min(situation.logNow + proposalValidMs, proposal.restsUntil ?? Infinity)
  // What it rests on is over already: it would be stored, and count nowhere.
  if (next === undefined || validUntil < situation.logNow) return undefined
  return {
    id,
    breaker,
    fleet,
    by: instance,
    time: wallNow,
    from: state.mode,
    to: next.mode,
    term: next.term,
    reason: proposal.reason,
    counts: proposal.counts ?? noCounts,
    ...(traceparent === undefined ? {} : { traceparent }),
    notBefore: proposal.notBefore ?? null,
    validUntil,
    before: state,
    after: describeAfter(next, happened),
    fact: proposal.fact,
    type: wireType(proposal.fact.type),
  }
}

export const noCounts: Counts = Object.freeze({ calls: 0, failures: 0, slow: 0, consecutiveFailures: 0 })

interface Proposal {
  readonly fact: Fact
  readonly reason: string
  readonly counts?: Counts
  readonly notBefore?: number
  /** The log time at which what it rests on ends: a lease, the votes. */
  readonly restsUntil?: number
}

function propose(intent: Intent, situation: Situation): Proposal | undefined {
  switch (intent.type) {
    case 'trip':
      return reportTrip(intent, situation)
    case 'countVotes':
      return openByVotes(situation, intent.counts, recoveryDelay(situation.settings, 0, situation.chance))
    case 'claim':
      return claim(situation)
    case 'probeEnded':
      return reportProbe(intent, situation)
    case 'order':
      return { fact: { type: intent.kind, order: intent.order }, reason: intent.order.reason }
    case 'orderOver':
      return situation.state.order?.until === undefined
        ? undefined
        : { fact: { type: 'released' }, reason: 'the order is over', notBefore: situation.state.order.until }
    case 'restore':
      return {
        fact: { type: 'restored', state: carryOver(intent.state, situation.logNow) },
        reason: 'the log was recreated or truncated',
      }
    default:
      return intent satisfies never
  }
}

/** A state for a new log: without its votes and its lease, which cannot be told from what was lost. */
function carryOver(state: FleetState, logNow: number): StateAfter {
  const { mode, term, failedRecoveries, passes, attempts, retryAt, order } = state
  const forMs = order?.until === undefined ? undefined : Math.max(1, order.until - logNow)
  return {
    mode,
    term,
    failedRecoveries,
    passes,
    attempts,
    votes: [],
    ...(retryAt !== undefined && { retryAfterMs: Math.max(0, retryAt - logNow) }),
    ...(order !== undefined && {
      order: { by: order.by, reason: order.reason, ...(forMs !== undefined && { forMs }) },
    }),
  }
}

/** How long to stay open after `failedRecoveries` failed ones, in whole ms. */
export function recoveryDelay({ recovery }: BreakerSettings, failedRecoveries: number, chance: number): number {
  return Math.max(1, Math.floor(growingDelay(recovery, failedRecoveries, chance)))
}

function reportTrip(intent: Intent & { type: 'trip' }, situation: Situation): Proposal | undefined {
  const { term, reason, counts, recoveryMs } = intent
  // The fleet has opened meanwhile, and may even have recovered: what was seen before says nothing of now.
  if (term !== situation.state.term) return undefined
  return situation.settings.quorum === 1
    ? { fact: { type: 'opened', quorum: 1, retryAfterMs: recoveryMs }, reason, counts }
    : (openByVotes(situation, counts, recoveryMs) ?? vote(situation, intent))
}

function vote(
  { state, instance, logNow }: Situation,
  { reason, counts }: Intent & { type: 'trip' },
): Proposal | undefined {
  const own = freshVotes(state.votes, logNow).find(({ voter }) => voter === instance)
  // A vote that will count for a while yet needs no renewal.
  if (own !== undefined && logNow - own.at < voteFreshMs / 2) return undefined
  return { fact: { type: 'voted' }, reason, counts }
}

function openByVotes({ state, settings, logNow }: Situation, counts: Counts, recoveryMs: number): Proposal | undefined {
  if (settings.quorum === 1) return undefined
  const votes = freshVotes(state.votes, logNow)
    .map(({ at }) => at)
    .toSorted((a, b) => b - a)
  const decisive = votes[settings.quorum - 1]
  if (decisive === undefined) return undefined
  return {
    fact: { type: 'opened', quorum: settings.quorum, retryAfterMs: recoveryMs },
    reason: `${votes.length} instances saw the fault`,
    counts,
    restsUntil: decisive + voteFreshMs,
  }
}

/** The log time from which the probe may be claimed; `undefined` when there is none to claim. */
export function claimableAt({ mode, retryAt, lease }: FleetState): number | undefined {
  if (mode === 'open') return retryAt ?? 0
  if (mode === 'halfOpen') return lease === undefined ? 0 : lease.until + leaseGraceMs
  return undefined
}

function claim({ state, settings, logNow }: Situation): Proposal | undefined {
  const { mode, lease, retryAt } = state
  if (logNow < (claimableAt(state) ?? Infinity)) return undefined
  const notBefore = mode === 'open' ? retryAt : lease?.until
  return {
    fact: { type: 'probeClaimed', leaseMs: settings.leaseMs, attempt: state.attempts + 1 },
    reason:
      mode === 'open'
        ? 'the recovery time is over'
        : lease === undefined
          ? 'the last probe passed or said nothing'
          : `${lease.holder} gave no result`,
    ...(notBefore !== undefined && { notBefore }),
  }
}

function reportProbe(
  { fence, result, counts }: Intent & { type: 'probeEnded' },
  situation: Situation,
): Proposal | undefined {
  const { state, settings, chance } = situation
  if (state.lease?.fence !== fence) return undefined
  const base = { counts, restsUntil: state.lease.until }
  switch (result) {
    case 'ignored':
      return { ...base, fact: { type: 'probeReleased', fence }, reason: 'the probe said nothing of the dependency' }
    case 'passed':
      return state.passes + 1 >= settings.successesToClose
        ? { ...base, fact: { type: 'closed', fence }, reason: 'the probe passed' }
        : {
            ...base,
            fact: { type: 'probePassed', fence },
            reason: `probe ${state.passes + 1} of ${settings.successesToClose} passed`,
          }
    case 'failed':
    case 'hung': {
      const retryAfterMs = recoveryDelay(settings, state.failedRecoveries + 1, chance)
      return {
        ...base,
        fact: { type: 'reopened', fence, retryAfterMs },
        reason: result === 'failed' ? 'the probe failed' : 'the probe gave no result in time',
      }
    }
    default:
      return result satisfies never
  }
}
