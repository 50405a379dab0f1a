import type { Decision, LimitDefinition } from './limiter.ts'
import type { AskedLimit } from './limits.ts'
import { demandClass, demandClasses, type LimitUse } from './limit-use.ts'

/** Records what is asked of limits, as far as is needed to propose better ones; bounded, however many keys there are. */
export interface LimitUsage {
  /** A request that was decided: what it asked for, by the definitions of this instance. `now` in ms, never stepping back. */
  record(key: string, asked: readonly AskedLimit[], decision: Decision, now: number): void
  /**
   * What was recorded since it was last taken, at `at` (ms since the epoch). A window under way is in it as far as it has
   * got, and taken back from its class when it has moved to another: what is taken is to be added, and may be negative.
   */
  take(at: number): readonly LimitUse[]
}

/** Keys whose window is under way, for each limit; of more, those that began first are taken for over. */
const keysMax = 1_000

/**
 * Counts the demand of keys in windows that begin with a key's first request. An instance sees a part of what a key asks
 * for, so a window is judged by what its decisions say was granted to all of them, and counts as much as this instance's
 * part of it. A request that is refused and comes again is asked for again.
 */
export function limitUsage(sinceAt: number): LimitUsage {
  const byName = new Map<string, Use>()
  let takenAt = sinceAt

  const useOf = (name: string, definition: LimitDefinition): Use => {
    const known = byName.get(name)
    if (known !== undefined) return known
    const use = { definition, underWay: new Map<string, Window>(), ...nothing() }
    byName.set(name, use)
    return use
  }

  return {
    record(key, asked, decision, now) {
      decision.limits.forEach((state, index) => {
        const of = asked[index]
        if (of === undefined) return
        const use = useOf(of.name, of.definition)
        use.isNew = true
        if (state.limit !== of.definition.limit || state.windowMs !== of.definition.windowMs) {
          use.overridden += of.cost
          return
        }
        use.asked += of.cost
        if (state.exceeded) use.refused += of.cost
        count(windowOf(use, key, now), of.cost, decision, state.limit - state.remaining)
      })
    },
    take(at) {
      const taken: LimitUse[] = []
      for (const [name, use] of byName) {
        if (!use.isNew) continue
        for (const window of use.underWay.values()) settle(use, window)
        const { definition, asked, refused, overridden, peak, windows, demands } = use
        const sums = { asked, refused, overridden, peak, windows, demands }
        taken.push({ name, ...definition, sinceAt: takenAt, lastAt: at, ...sums })
        Object.assign(use, nothing())
      }
      takenAt = at
      return taken
    },
  }
}

/** What was recorded of a limit since it was last taken, and the windows that are under way. */
interface Use extends Sums {
  readonly definition: LimitDefinition
  readonly underWay: Map<string, Window>
}

interface Sums {
  isNew: boolean
  asked: number
  refused: number
  overridden: number
  peak: number
  windows: Float64Array
  demands: Float64Array
}

function nothing(): Sums {
  const [windows, demands] = [new Float64Array(demandClasses), new Float64Array(demandClasses)]
  return { isNew: false, asked: 0, refused: 0, overridden: 0, peak: 0, windows, demands }
}

/** A window of one key, as this instance sees it. */
interface Window {
  readonly endAt: number
  /** What this instance was asked for, and what of it the store has granted and has not. */
  demand: number
  granted: number
  refused: number
  /** What the store granted here in the window before, if that was just before. */
  readonly grantedBefore: number
  /** The most that was granted to all instances, as a decision had it. */
  level: number
  /** How it was counted when it was last settled. */
  settled: { readonly of: number; readonly windows: number; readonly demand: number } | undefined
}

function windowOf(use: Use, key: string, now: number): Window {
  const { underWay, definition } = use
  const current = underWay.get(key)
  if (current !== undefined && now < current.endAt) return current
  if (current !== undefined) end(use, key, current)
  if (underWay.size >= keysMax) endOldest(use)
  const followsAt = current === undefined ? -Infinity : current.endAt + definition.windowMs
  const grantedBefore = current !== undefined && now < followsAt ? current.granted : 0
  const endAt = now + definition.windowMs
  const window: Window = { endAt, demand: 0, granted: 0, refused: 0, grantedBefore, level: 0, settled: undefined }
  underWay.set(key, window)
  return window
}

/** Windows of one limit are equally long, so the one that began first is over first. */
function endOldest(use: Use): void {
  for (const [key, window] of use.underWay) return end(use, key, window)
}

function end(use: Use, key: string, window: Window): void {
  settle(use, window)
  use.underWay.delete(key)
}

/** What was decided without the store says nothing of what was granted to all. */
function count(window: Window, cost: number, { allowed, degraded }: Decision, level: number): void {
  window.demand += cost
  if (degraded) return
  if (allowed) window.granted += cost
  else window.refused += cost
  window.level = Math.max(window.level, level)
}

/** Counts a window as far as it has got, instead of as far as it had got. */
function settle(use: Use, window: Window): void {
  const { demand, settled } = window
  if (settled?.demand === demand) return
  const ofAll = demandOfAll(window)
  const counted = { of: demandClass(ofAll), windows: demand / ofAll, demand }
  if (settled !== undefined) add(use, settled, -1)
  add(use, counted, 1)
  window.settled = counted
  use.peak = Math.max(use.peak, Math.round(ofAll))
}

function add({ windows, demands }: Use, { of, ...counted }: NonNullable<Window['settled']>, sign: 1 | -1): void {
  windows[of] = (windows[of] ?? 0) + sign * counted.windows
  demands[of] = (demands[of] ?? 0) + sign * counted.demand
}

/**
 * What the key asked all instances for: what they granted, and as much more than this one refused as its part of what was
 * granted is smaller. Grants of its window before count as its own, so that this is rather too little than too much.
 */
function demandOfAll({ demand, granted, grantedBefore, refused, level }: Window): number {
  const own = granted + grantedBefore
  const share = own === 0 ? 1 : Math.min(1, own / Math.max(1, level))
  return Math.max(demand, level + refused / share)
}
