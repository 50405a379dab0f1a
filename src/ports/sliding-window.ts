import type { LimitDefinition } from './limiter.ts'

/**
 * What was granted under one limit and counts still: how much, and until when. In the order in which it ends.
 * Those who keep it keep it as it is; every function here gives a new one.
 */
export interface WindowState {
  /** The last time that was booked at. The clock of the store may step back; this time does not. */
  readonly lastAt: number
  /** When it was last begun with nothing granted: what was booked before is no longer part of it. */
  readonly since: number
  readonly grants: readonly { readonly untilAt: number; readonly cost: number }[]
}

export const emptyWindow: WindowState = Object.freeze({
  lastAt: -Infinity,
  since: -Infinity,
  grants: Object.freeze([]),
})

/** Limits up to this are exact to the ms; above, what is granted counts up to a sixtieth of the window too long. */
export const exactLimitMax = 100
const subWindows = 60
/** A clock that stepped back by more than this, and by more than the window, was wrong before: it is believed now. */
const stepBackMsMax = 10_000

/** Where a window stands, for a request of this cost. */
export interface WindowStanding {
  readonly remaining: number
  /** When all of the limit is left, in ms from now. */
  readonly resetMs: number
  /** When the request passes if nobody else asks, in ms; 0 is now, `Infinity` never. */
  readonly waitMs: number
}

/**
 * The rule of a limit, and its reference model: in any interval of `windowMs`, its start included and its end not, no
 * more than `limit` is granted, by a clock that may step back. What is granted at t counts until t + `windowMs`, or
 * until the end of the sixtieth of the window in which that lies (so that at most 61 grants need to be remembered). `now`
 * is the clock's: when it has stepped back, what was granted counts for that much longer by it.
 */
export function look(state: WindowState, { limit }: LimitDefinition, cost: number, now: number): WindowStanding {
  const used = state.grants.reduce((sum, grant) => sum + grant.cost, 0)
  const resetMs = Math.max(0, ...state.grants.map(({ untilAt }) => Math.ceil(untilAt - now)))
  const waitMs = cost > limit ? Infinity : waitFor(state, used + cost - limit, now)
  return { remaining: Math.max(0, limit - used), resetMs, waitMs }
}

/** What still counts at this time, and that time as the window sees it. */
export function at(
  state: WindowState,
  { windowMs }: LimitDefinition,
  now: number,
): { state: WindowState; now: number } {
  const backMs = state.lastAt - now
  if (backMs > Math.max(windowMs, stepBackMsMax)) return { state: moved(state, -backMs), now }
  const time = Math.max(now, state.lastAt)
  let gone = 0
  while (gone < state.grants.length && (state.grants[gone]?.untilAt ?? 0) <= time) gone += 1
  return { state: gone === 0 ? state : { ...state, grants: state.grants.slice(gone) }, now: time }
}

/** Books a cost that `look` lets pass. */
export function book(state: WindowState, definition: LimitDefinition, cost: number, now: number): WindowState {
  const untilAt = countsUntil(definition, now)
  // Before the last one where the window was longer before.
  const index = state.grants.findLastIndex((grant) => grant.untilAt <= untilAt)
  const before = state.grants[index]
  const grants =
    before?.untilAt === untilAt
      ? state.grants.with(index, { untilAt, cost: before.cost + cost })
      : state.grants.toSpliced(index + 1, 0, { untilAt, cost })
  return { lastAt: now, since: state.grants.length === 0 ? now : state.since, grants }
}

/** Gives back what was booked to count until `untilAt` in the window that began at `since`, as far as it counts still. */
export function giveBack(state: WindowState, since: number, untilAt: number, cost: number): WindowState {
  if (state.since !== since) return state
  const grants = state.grants
    .map((grant) => (grant.untilAt === untilAt ? { untilAt, cost: grant.cost - cost } : grant))
    .filter((grant) => grant.cost > 0)
  return { ...state, grants }
}

/** Until when something counts that is granted now. */
export function countsUntil({ limit, windowMs }: LimitDefinition, now: number): number {
  if (limit <= exactLimitMax) return now + windowMs
  const intoMs = now % windowMs
  const slot = Math.floor((intoMs * subWindows) / windowMs)
  return now - intoMs + ((slot + subWindows + 1) * windowMs) / subWindows
}

function waitFor({ grants }: WindowState, excess: number, now: number): number {
  let [missing, untilAt] = [excess, now]
  for (const grant of grants) {
    if (missing <= 0) break
    untilAt = grant.untilAt
    missing -= grant.cost
  }
  return Math.ceil(untilAt - now)
}

function moved({ lastAt, since, grants }: WindowState, byMs: number): WindowState {
  return {
    lastAt: lastAt + byMs,
    since: since + byMs,
    grants: grants.map(({ untilAt, cost }) => ({ untilAt: untilAt + byMs, cost })),
  }
}
