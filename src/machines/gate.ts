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
  if (isOrdered({ fleet, linked, logNow })) {
    if (fleet.mode === 'disabled') return admit
    const leftMs = (fleet.order?.until ?? Infinity) - logNow
    return { kind: 'refuse', mode: 'forcedOpen', waitMs: Math.max(releaseMs, leftMs) }
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

/**
 * Whether an operator's order stands. With a link it stands until the log says that it is over, which whoever has the
 * breaker tells at its end, and if nobody has it, the first who asks for it; without a link, until its time is over.
 */
export function isOrdered({ fleet, linked, logNow }: Pick<GateView, 'fleet' | 'linked' | 'logNow'>): boolean {
  const { mode, order } = fleet
  return (mode === 'forcedOpen' || mode === 'disabled') && (linked || logNow < (order?.until ?? Infinity))
}

/** What it takes to tell the fleet that an order is over, in ms: to wake up, and to propose it, each with its jitter. */
const releaseMs = 100

const admit: Admission = Object.freeze({ kind: 'admit' })

/** While a probe is under way it may end at any moment: come back soon, at the latest when it has run out. */
const probeWaitMs = 1_000

function probeUnderWay(leftMs: number): Admission {
  return { kind: 'refuse', mode: 'halfOpen', waitMs: Math.min(leftMs, probeWaitMs) }
}
