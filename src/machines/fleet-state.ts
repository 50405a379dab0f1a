/** The five states of a breaker. Operators add `forcedOpen` and `disabled` to the usual three. */
export type Mode = 'closed' | 'open' | 'halfOpen' | 'forcedOpen' | 'disabled'

/** An instance that says that it sees the fault; `at` is the log's time of its vote. */
export interface Vote {
  readonly voter: string
  readonly at: number
}

/** The right to run the one probe, until `until` by the log's time. Whoever reports its result shows the fence. */
export interface Lease {
  /** The id of the event that claimed it. */
  readonly fence: string
  readonly holder: string
  /** Which claim of this term it is, from 1. With the term it is a token that only grows. */
  readonly attempt: number
  readonly until: number
}

/** What an operator ordered, until `until` by the log's time, or until it is released. */
export interface StandingOrder {
  readonly by: string
  readonly reason: string
  readonly until?: number
}

/**
 * What the fleet agrees on about one breaker: the fold of its log. All times are the log's own, in ms since the epoch,
 * so that instances whose clocks differ have equal states.
 */
export interface FleetState {
  readonly mode: Mode
  /** Grows whenever the fleet opens, or an operator steps in. */
  readonly term: number
  /** Recoveries that failed in a row; they make the next wait longer. */
  readonly failedRecoveries: number
  /** Probes that passed in this half-open. */
  readonly passes: number
  /** Claims of the probe in this term. */
  readonly attempts: number
  readonly votes: readonly Vote[]
  /** When a probe may be claimed; `open` only. */
  readonly retryAt?: number
  /** `halfOpen` only. */
  readonly lease?: Lease
  /** `forcedOpen` and `disabled` only. */
  readonly order?: StandingOrder
}

/** Where every breaker begins; one object for all of them. */
export const initialState: FleetState = Object.freeze({
  mode: 'closed',
  term: 0,
  failedRecoveries: 0,
  passes: 0,
  attempts: 0,
  votes: Object.freeze([]),
})

/** Votes that are kept; of more voters, the latest. */
export const votesMax = 16

/** How long a vote counts, in ms. Part of the protocol, so that every instance counts alike. */
export const voteFreshMs = 60_000

/** The votes that count at `now` (the log's time). A voter has at most one. */
export function freshVotes(votes: readonly Vote[], now: number): readonly Vote[] {
  return votes.filter((vote) => now - vote.at <= voteFreshMs)
}
