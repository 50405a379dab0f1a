import type { ProbeResult } from './breaker-decide.ts'
import { noCounts } from './breaker-decide.ts'
import type { Counts } from './breaker-events.ts'
import type { FleetState } from './fleet-state.ts'
import type { Cause } from './fold.ts'

/** What an instance holds by itself, beside what the fleet agrees on. Times are monotonic. */
export type Local = Steady | Trip

export interface Steady {
  readonly kind: 'steady'
  /** When its own probe closed it, by the wall clock; 0 for never. */
  readonly sinceAt: number
}

export interface Trip {
  readonly kind: 'tripped'
  readonly reason: string
  /** Who opened: this instance, or whoever had opened the fleet that it took over from. */
  readonly by: string
  readonly counts: Counts
  /** When it tripped; only what the fleet decided after it ends it. By the wall clock for people. */
  readonly since: number
  readonly sinceAt: number
  readonly recoveryMs: number
  readonly retryAt: number
  readonly failedRecoveries: number
  readonly passes: number
  /** False when it was taken over from the fleet as the link went down: no evidence of this instance's own. */
  readonly own: boolean
  /** Whether its probe is under way. */
  readonly probing: boolean
}

export const steady: Steady = Object.freeze({ kind: 'steady', sinceAt: 0 })

/** One moment, by the three clocks that matter. */
export interface Moment {
  /** Monotonic. */
  readonly now: number
  readonly wallNow: number
  readonly logNow: number
}

/** This instance trips: a rule of its own says so, or its own probe failed. */
export function tripped(
  { now, wallNow }: Moment,
  facts: {
    readonly reason: string
    readonly by: string
    readonly counts: Counts
    readonly recoveryMs: number
    readonly failedRecoveries: number
  },
): Trip {
  return {
    kind: 'tripped',
    ...facts,
    since: now,
    sinceAt: wallNow,
    retryAt: now + facts.recoveryMs,
    passes: 0,
    own: true,
    probing: false,
  }
}

/** The link is down: what the fleet held open until `claimAt` stays so here, until this instance's own probe passes. */
export function takenOver(
  { now, wallNow, logNow }: Moment,
  fleet: FleetState,
  cause: Cause | undefined,
  claimAt: number,
): Trip {
  const recoveryMs = Math.max(0, claimAt - logNow)
  return {
    kind: 'tripped',
    reason: cause?.reason ?? '',
    by: cause?.by ?? '',
    counts: cause?.counts ?? noCounts,
    recoveryMs,
    failedRecoveries: fleet.failedRecoveries,
    since: now,
    sinceAt: cause?.at ?? wallNow,
    retryAt: now + recoveryMs,
    passes: fleet.passes,
    own: false,
    probing: false,
  }
}

/** What follows from this instance's own probe, unless it failed, which is a trip anew. */
export function afterProbe(
  trip: Trip,
  result: Extract<ProbeResult, 'passed' | 'ignored'>,
  successesToClose: number,
  wallNow: number,
): Local {
  if (result === 'ignored') return { ...trip, probing: false }
  const passes = trip.passes + 1
  return passes >= successesToClose ? { kind: 'steady', sinceAt: wallNow } : { ...trip, probing: false, passes }
}
