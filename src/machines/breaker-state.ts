import { noCounts } from './breaker-decide.ts'
import type { Counts } from './breaker-events.ts'
import type { FleetState, Mode } from './fleet-state.ts'
import { causeInForce, inForce, type Cause, type Position } from './fold.ts'
import { isOrdered } from './gate.ts'
import { steady, type Local, type Steady, type Trip } from './local.ts'

/** Where a breaker stands for this instance's calls, and why. */
export interface BreakerState {
  readonly mode: Mode
  /** `local`: this instance alone holds it so. */
  readonly scope: 'local' | 'fleet'
  readonly term: number
  /** Since when, in ms since the epoch; 0 for a breaker that was closed from the start. */
  readonly sinceAt: number
  readonly by: string
  readonly reason: string
  /** Closed: what was counted since. Else: on what it was decided. */
  readonly counts: Counts
  readonly failedRecoveries: number
  /** When a probe may run (open), or when the order ends (forcedOpen, disabled), in ms since the epoch. */
  readonly retryAt?: number
  /** Who runs the probe (halfOpen). */
  readonly probe?: { readonly holder: string; readonly attempt: number }
}

/** What a breaker's state is read from. */
export interface StateView {
  readonly fleet: FleetState
  readonly cause: Cause | undefined
  readonly local: Local
  readonly linked: boolean
  readonly instance: string
  /** Counted since the gate last changed. */
  readonly counts: Counts
  readonly wallNow: number
  /** Monotonic. */
  readonly now: number
  readonly logNow: number
}

/** The state for people: the stricter of the fleet's and the instance's own. Pure. */
export function describeState(view: StateView): BreakerState {
  const { fleet, local, linked } = view
  const { mode } = fleet
  if (isOrdered(view)) return describeFleet(view)
  if (local.kind === 'tripped' && (mode === 'closed' || !linked)) return describeTrip(local, view)
  return linked || mode === 'closed' || local.kind === 'tripped' ? describeFleet(view) : describeOwnClose(local, view)
}

/** Without a link, its own probe has closed what the fleet holds open, or an order is over that the fleet still holds. */
function describeOwnClose(
  { sinceAt }: Steady,
  { fleet, instance, counts }: Pick<StateView, 'fleet' | 'instance' | 'counts'>,
): BreakerState {
  const { term, order } = fleet
  const reason = order === undefined ? 'the probe passed' : 'the order is over'
  return { mode: 'closed', scope: 'local', term, sinceAt, by: instance, reason, counts, failedRecoveries: 0 }
}

function describeTrip(local: Trip, { fleet, wallNow, now }: StateView): BreakerState {
  const { reason, by, counts, sinceAt, failedRecoveries, probing } = local
  const { term } = fleet
  const base = { scope: 'local', term, sinceAt, by, reason, counts, failedRecoveries } as const
  if (probing) return { mode: 'halfOpen', ...base }
  return { mode: 'open', ...base, retryAt: wallNow + Math.max(0, local.retryAt - now) }
}

/** Where the fleet stands, for who has no breaker of that name. Pure. */
export function describePosition(
  position: Position,
  of: Pick<StateView, 'linked' | 'instance' | 'wallNow' | 'logNow'>,
): BreakerState {
  const view = { fleet: inForce(position), cause: causeInForce(position), counts: noCounts, ...of }
  return view.fleet.order === undefined || isOrdered(view) ? describeFleet(view) : describeOwnClose(steady, view)
}

type FleetView = Pick<StateView, 'fleet' | 'cause' | 'counts' | 'wallNow' | 'logNow'>

function describeFleet({ fleet, cause, counts, wallNow, logNow }: FleetView): BreakerState {
  const { mode, term, failedRecoveries, retryAt, lease, order } = fleet
  const endsAt = mode === 'open' ? retryAt : order?.until
  return {
    mode,
    scope: 'fleet',
    term,
    sinceAt: cause?.at ?? 0,
    by: order?.by ?? cause?.by ?? '',
    reason: order?.reason ?? cause?.reason ?? '',
    counts: mode === 'closed' ? counts : (cause?.counts ?? noCounts),
    failedRecoveries,
    ...(endsAt !== undefined && { retryAt: wallNow + Math.max(0, endsAt - logNow) }),
    ...(lease !== undefined && { probe: { holder: lease.holder, attempt: lease.attempt } }),
  }
}
