import type { FleetState, Mode } from './fleet-state.ts'

/** What a window or a streak held when something was decided. */
export interface Counts {
  readonly calls: number
  readonly failures: number
  readonly slow: number
  readonly consecutiveFailures: number
}

/** What an operator asks for. `forMs`: how long it stands, in ms; without it, until it is released. */
export interface Order {
  readonly by: string
  readonly reason: string
  readonly forMs?: number | undefined
}

/** What happened, without who, when and on what grounds: the part of an event that the machine acts on. */
export type Fact =
  | { readonly type: 'voted' }
  | { readonly type: 'opened'; readonly quorum: number; readonly retryAfterMs: number }
  | { readonly type: 'probeClaimed'; readonly leaseMs: number; readonly attempt: number }
  | { readonly type: 'probePassed'; readonly fence: string }
  | { readonly type: 'probeReleased'; readonly fence: string }
  | { readonly type: 'closed'; readonly fence: string }
  | { readonly type: 'reopened'; readonly fence: string; readonly retryAfterMs: number }
  | { readonly type: 'forcedOpen'; readonly order: Order }
  | { readonly type: 'disabled'; readonly order: Order }
  | { readonly type: 'released'; readonly order?: Order }
  | { readonly type: 'restored'; readonly state: StateAfter }

export type FactType = Fact['type']

/**
 * A state as it will be once the log has stored the event that leads to it. The author cannot know that moment, so what
 * the event itself starts is a duration from it (`retryAfterMs`, `leaseMs`, `forMs`, a vote without `at`, a lease without
 * `fence`), and what stood before is a log time.
 */
export interface StateAfter extends Omit<FleetState, 'votes' | 'lease' | 'order'> {
  readonly votes: readonly { readonly voter: string; readonly at?: number }[]
  readonly retryAfterMs?: number
  readonly lease?: {
    readonly holder: string
    readonly attempt: number
    readonly leaseMs?: number
    readonly fence?: string
    readonly until?: number
  }
  readonly order?: { readonly by: string; readonly reason: string; readonly forMs?: number; readonly until?: number }
}

/** An event as its author writes it: what happened, on what grounds, and in which window of log time it may take effect. */
export interface BreakerEvent<F = Fact> {
  /** A ULID; also the fence of the lease that it claims. */
  readonly id: string
  readonly breaker: string
  readonly fleet: string
  /** The instance that decided. */
  readonly by: string
  /** The author's wall clock, for people; nothing is ordered by it. */
  readonly time: number
  readonly from: Mode
  readonly to: Mode
  /** The term that it leads to. */
  readonly term: number
  /** Why: the rule that tripped, what the probe did, or the operator's own words. */
  readonly reason: string
  readonly counts: Counts
  /** W3C trace context of what the author ran when it was decided, where that was traced. */
  readonly traceparent?: string
  /** Log time before which it does not count, or `null`. */
  readonly notBefore: number | null
  /** Log time after which it does not count. */
  readonly validUntil: number
  readonly before: FleetState
  readonly after: StateAfter
  /** `undefined`: of a type or version that this instance does not know; it is taken by its `after`. */
  readonly fact: F | undefined
  /** The type as it stands on the wire, for example `io.switchgear.breaker.opened.v1`. */
  readonly type: string
}

/** A fact in its place: by whom, under which id, and when by the log. */
export interface Happened {
  readonly fact: Fact
  readonly id: string
  readonly by: string
  readonly at: number
}

/** The state that an event's `after` says, once the log has given it its time. */
export function resolveAfter(after: StateAfter, { id, at }: { readonly id: string; readonly at: number }): FleetState {
  const { retryAfterMs, lease, order, votes, ...rest } = after
  return {
    ...rest,
    votes: votes.map((vote) => ({ voter: vote.voter, at: vote.at ?? at })),
    ...(retryAfterMs !== undefined && { retryAt: at + retryAfterMs }),
    ...(lease !== undefined && {
      lease: {
        fence: lease.fence ?? id,
        holder: lease.holder,
        attempt: lease.attempt,
        until: lease.until ?? at + (lease.leaseMs ?? 0),
      },
    }),
    ...(order !== undefined && { order: standing(order, at) }),
  }
}

/** An order once the log has given it its time. */
export function standing(
  { by, reason, forMs, until }: Order & { readonly until?: number },
  at: number,
): NonNullable<FleetState['order']> {
  const end = until ?? (forMs === undefined ? undefined : at + forMs)
  return end === undefined ? { by, reason } : { by, reason, until: end }
}

/**
 * The `after` of an event: the state it leads to if it is stored at `at`, with what the event starts written as a
 * duration, so that it holds whenever it is stored.
 */
export function describeAfter(state: FleetState, { fact, id, by, at }: Happened): StateAfter {
  const { retryAt, lease, order, votes, ...rest } = state
  const starts = fact.type
  return {
    ...rest,
    votes: starts === 'voted' ? votes.map((vote) => (vote.voter === by ? { voter: by } : vote)) : votes,
    ...(retryAt !== undefined &&
      (starts === 'opened' || starts === 'reopened' || starts === 'restored'
        ? { retryAfterMs: retryAt - at }
        : { retryAt })),
    ...(lease !== undefined &&
      (lease.fence === id
        ? { lease: { holder: lease.holder, attempt: lease.attempt, leaseMs: lease.until - at } }
        : { lease })),
    ...(order !== undefined && {
      order:
        order.until !== undefined && (starts === 'forcedOpen' || starts === 'disabled' || starts === 'restored')
          ? { by: order.by, reason: order.reason, forMs: order.until - at }
          : order,
    }),
  }
}
