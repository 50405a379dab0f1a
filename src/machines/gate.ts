import { claimableAt } from './breaker-decide.ts'
import type { FleetState } from './fleet-state.ts'
import type { Local } from './local.ts'

/** What a gate goes by. */
export interface GateView {
  readonly fleet: FleetState
  readonly local: Local
  readonly linked: boolean
  /** The log's time, estimated. */
  readonly logNow: number
  /** This instance's monotonic time. */
  readonly now: number
}

/**
 * What happens to the next call. `claim`: it may become the fleet's probe, once its claim is accepted; `probe`: it may
 * run as this instance's own probe at once. `waitMs`: until that may change; `Infinity`: an operator ends it.
 */
export type Admission =
  | { readonly kind: 'admit' | 'claim' | 'probe' }
  | { readonly kind: 'refuse'; readonly mode: 'open' | 'halfOpen' | 'forcedOpen'; readonly waitMs: number }

/**
 * The gate: the stricter of what the fleet agrees on and what this instance holds by itself. With the link down the
 * fleet's word counts only where it is an order. Pure.
 */
export function admission({ fleet, local, linked, logNow, now }: GateView): Admission {
  const orderEnd = fleet.order?.until ?? Infinity
  const ordered = fleet.mode === 'forcedOpen' || fleet.mode === 'disabled'
  if (ordered && (linked || logNow < orderEnd)) {
    return fleet.mode === 'disabled'
      ? admit
      : { kind: 'refuse', mode: 'forcedOpen', waitMs: Math.max(0, orderEnd - logNow) }
  }
  const claimAt = linked ? claimableAt(fleet) : undefined
  if (claimAt !== undefined) {
    if (logNow >= claimAt) return { kind: 'claim' }
    return fleet.mode === 'halfOpen'
      ? probeUnderWay(claimAt - logNow)
      : { kind: 'refuse', mode: 'open', waitMs: claimAt - logNow }
  }
  if (local.kind === 'steady') return admit
  if (local.probing) return probeUnderWay(Infinity)
  return now >= local.retryAt ? { kind: 'probe' } : { kind: 'refuse', mode: 'open', waitMs: local.retryAt - now }
}

const admit: Admission = Object.freeze({ kind: 'admit' })

/** While a probe is under way it may end at any moment: come back soon, at the latest when it has run out. */
const probeWaitMs = 1_000

function probeUnderWay(leftMs: number): Admission {
  return { kind: 'refuse', mode: 'halfOpen', waitMs: Math.min(leftMs, probeWaitMs) }
}
