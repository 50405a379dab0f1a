import type { LimitDefinition, LimitSuggestion } from './limiter.ts'
import { addUses, demandCeiling, type LimitUse, noUse } from './limit-use.ts'

const quantile = 0.99
const headroom = 1.2
/** The largest limit there is. */
const limitMax = 1_000_000_000

/**
 * A limit for each name of `limits`, and for each that was recorded by others who have one of that name: of the window that
 * was recorded last, if there were several.
 */
export function suggestLimits(
  uses: readonly LimitUse[],
  {
    limits,
    scope,
    sinceAt,
  }: { limits: ReadonlyMap<string, LimitDefinition>; scope: LimitSuggestion['scope']; sinceAt: number },
): readonly LimitSuggestion[] {
  const known = new Map<string, LimitUse>()
  addUses(known, uses)
  const own = [...limits].map(([name, of]) => {
    const use = known.get(`${of.windowMs}:${name}`) ?? noUse(name, of, sinceAt)
    return proposal({ ...use, limit: of.limit }, scope)
  })
  const others = new Map<string, LimitUse>()
  for (const use of known.values()) {
    if (!limits.has(use.name) && (others.get(use.name)?.lastAt ?? -Infinity) < use.lastAt) others.set(use.name, use)
  }
  return [...own, ...[...others.values()].map((use) => proposal(use, scope))]
}

function proposal(use: LimitUse, scope: LimitSuggestion['scope']): LimitSuggestion {
  const { name, limit, windowMs, sinceAt, asked, refused, overridden, peak } = use
  // A window that moved to another class since one of them faded leaves less than nothing behind.
  const windows = use.windows.map((each) => Math.max(0, each))
  const suggested = asked === 0 ? limit : limitFor(windows, peak)
  const over = (sum: number, demand: number, of: number): number =>
    sum + Math.max(0, demand - (windows[of] ?? 0) * suggested)
  return {
    name,
    limit,
    windowMs,
    scope,
    sinceAt,
    asked,
    refused,
    overridden,
    peak,
    suggested,
    wouldHaveRefused: Math.round(use.demands.reduce(over, 0)),
  }
}

function limitFor(windows: Float64Array, peak: number): number {
  const wanted = windows.reduce((sum, each) => sum + each, 0) * quantile
  let seen = 0
  const of = windows.findIndex((each) => each > 0 && (seen += each) >= wanted)
  const within = of < 0 ? peak : Math.min(peak, demandCeiling(of))
  return Math.min(limitMax, Math.max(1, Math.ceil(within * headroom)))
}
