import type { LimitDefinition, LimitSuggestion } from './limiter.ts'

/** What was asked of limits, as far as is needed to propose better ones; bounded, however many keys there are. */
export interface LimitUsage {
  /** Records a request that was decided. `now` in ms by a clock that does not step back. */
  record(
    key: string,
    asked: readonly { readonly name: string; readonly cost: number }[],
    allowed: boolean,
    now: number,
  ): void
  suggest(sinceAt: number): readonly LimitSuggestion[]
}

/** Keys whose window is under way, for each limit; more than these are counted, and not judged by themselves. */
const keysMax = 1_000
/** Demands of windows are kept in classes that differ by a tenth. */
const classRatio = 1.1
const classes = 256
const quantile = 0.99
const headroom = 1.2

/** Counts demand in windows that begin with a key's first request, one after the other: half the picture, at no cost. */
export function limitUsage(limits: ReadonlyMap<string, LimitDefinition>): LimitUsage {
  const byName = new Map<string, Use>()
  const useOf = (name: string, definition: LimitDefinition): Use => {
    const use = byName.get(name) ?? newUse(definition)
    byName.set(name, use)
    return use
  }
  return {
    record(key, asked, allowed, now) {
      for (const { name, cost } of asked) {
        const definition = limits.get(name)
        if (definition === undefined) continue
        const use = useOf(name, definition)
        use.asked += cost
        if (!allowed) use.refused += cost
        count(use, key, cost, now)
      }
    },
    suggest: (sinceAt) => [...limits].map(([name, of]) => proposal(name, byName.get(name) ?? newUse(of), sinceAt)),
  }
}

interface Use {
  readonly definition: LimitDefinition
  asked: number
  refused: number
  peak: number
  /** Windows that are over: how many of each class, and what was asked for in them. */
  readonly windows: Float64Array
  readonly demands: Float64Array
  readonly underWay: Map<string, { readonly endAt: number; demand: number }>
}

function newUse(definition: LimitDefinition): Use {
  const [windows, demands] = [new Float64Array(classes), new Float64Array(classes)]
  return { definition, asked: 0, refused: 0, peak: 0, windows, demands, underWay: new Map() }
}

function count(use: Use, key: string, cost: number, now: number): void {
  let current = use.underWay.get(key)
  if (current !== undefined && current.endAt <= now) {
    close(use, key, current.demand)
    current = undefined
  }
  if (current !== undefined) current.demand += cost
  else {
    dropOldest(use)
    current = { endAt: now + use.definition.windowMs, demand: cost }
    use.underWay.set(key, current)
  }
  use.peak = Math.max(use.peak, current.demand)
}

/** Windows of one limit are equally long, so the one that began first is over first. */
function dropOldest({ underWay, ...use }: Use): void {
  if (underWay.size < keysMax) return
  for (const [key, { demand }] of underWay) return close({ ...use, underWay }, key, demand)
}

function close({ underWay, windows, demands }: Use, key: string, demand: number): void {
  underWay.delete(key)
  const of = classOf(demand)
  windows[of] = (windows[of] ?? 0) + 1
  demands[of] = (demands[of] ?? 0) + demand
}

function classOf(demand: number): number {
  return Math.min(classes - 1, Math.ceil(Math.log(Math.max(1, demand)) / Math.log(classRatio)))
}

function proposal(name: string, use: Use, sinceAt: number): LimitSuggestion {
  const { definition, asked, refused, peak } = use
  const windows = Float64Array.from(use.windows)
  const demands = Float64Array.from(use.demands)
  for (const { demand } of use.underWay.values()) {
    const of = classOf(demand)
    windows[of] = (windows[of] ?? 0) + 1
    demands[of] = (demands[of] ?? 0) + demand
  }
  const suggested = asked === 0 ? definition.limit : limitFor(windows, peak)
  const over = (sum: number, demand: number, of: number): number =>
    sum + Math.max(0, demand - (windows[of] ?? 0) * suggested)
  return {
    name,
    ...definition,
    sinceAt,
    asked,
    refused,
    peak,
    suggested,
    wouldHaveRefused: Math.round(demands.reduce(over, 0)),
  }
}

function limitFor(windows: Float64Array, peak: number): number {
  const wanted = windows.reduce((sum, each) => sum + each, 0) * quantile
  let seen = 0
  const of = windows.findIndex((each) => (seen += each) >= wanted)
  return Math.max(1, Math.ceil(Math.min(peak, classRatio ** of) * headroom))
}
