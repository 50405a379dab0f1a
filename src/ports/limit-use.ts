import type { LimitDefinition } from './limiter.ts'

/** What was asked of one limit over some time: sums, and how demand was spread over windows. Its size is fixed. */
export interface LimitUse extends LimitDefinition {
  readonly name: string
  /** When recording it began, and until when it was recorded, ms since the epoch. */
  readonly sinceAt: number
  readonly lastAt: number
  /** Sums of costs: what was asked for by keys that the limit holds for, and what of it the limit refused. */
  readonly asked: number
  readonly refused: number
  /** What keys with a limit of their own asked for; it is in nothing else here. */
  readonly overridden: number
  /** The most that one key asked for in one window. */
  readonly peak: number
  /** Windows of keys by the class of what was asked for in them, and what was asked for in each class. May be fractions. */
  readonly windows: Float64Array
  readonly demands: Float64Array
}

/** What an instance tells at once. */
export interface UsageBatch {
  readonly id: string
  /** When it was put together, ms since the epoch. */
  readonly at: number
  readonly uses: readonly LimitUse[]
}

/** Where instances add up what they recorded. Rejects with `UnavailableError` while it cannot be asked. */
export interface UsageStore {
  /** Adds to what is there: sums are added, of peaks the higher one stands. The same batch again adds nothing. */
  add(batch: UsageBatch): Promise<void>
  /** What the fleet has, each name and window once; old use fades from it. */
  read(): Promise<readonly LimitUse[]>
}

/** Demands are kept in classes that differ by a tenth: the last one is at some 36,000,000,000. */
export const demandClasses = 256
const classRatio = 1.1

/** The class of a demand: the first whose ceiling it is within. */
export function demandClass(demand: number): number {
  return Math.min(demandClasses - 1, Math.ceil(Math.log(Math.max(1, demand)) / Math.log(classRatio)))
}

export function demandCeiling(of: number): number {
  return classRatio ** of
}

export function noUse(name: string, { limit, windowMs }: LimitDefinition, sinceAt: number): LimitUse {
  const [windows, demands] = [new Float64Array(demandClasses), new Float64Array(demandClasses)]
  return {
    name,
    limit,
    windowMs,
    sinceAt,
    lastAt: sinceAt,
    asked: 0,
    refused: 0,
    overridden: 0,
    peak: 0,
    windows,
    demands,
  }
}

/** Both together, with the limit of the one that was recorded last. */
export function addUse(one: LimitUse, other: LimitUse): LimitUse {
  const last = other.lastAt < one.lastAt ? one : other
  return {
    name: one.name,
    limit: last.limit,
    windowMs: last.windowMs,
    sinceAt: Math.min(one.sinceAt, other.sinceAt),
    lastAt: last.lastAt,
    asked: one.asked + other.asked,
    refused: one.refused + other.refused,
    overridden: one.overridden + other.overridden,
    peak: Math.max(one.peak, other.peak),
    windows: one.windows.map((each, of) => each + (other.windows[of] ?? 0)),
    demands: one.demands.map((each, of) => each + (other.demands[of] ?? 0)),
  }
}

/** Adds each to what there is of its name and window. */
export function addUses(to: Map<string, LimitUse>, uses: Iterable<LimitUse>): void {
  for (const use of uses) {
    const id = `${use.windowMs}:${use.name}`
    const before = to.get(id)
    to.set(id, before === undefined ? use : addUse(before, use))
  }
}
