import { explainReason, type BreakerState, type Mode, type Switchgear } from '../index.ts'
import { readableDuration, readableTime } from './duration.ts'
import type { Screen } from './screen.ts'
import { table, type Cell } from './table.ts'

/** Where a breaker stands, as programs get it: its state, with its name and its reason in words. */
export interface Standing extends BreakerState {
  readonly breaker: string
  readonly why: string
}

const worstFirst: readonly Mode[] = ['forcedOpen', 'open', 'halfOpen', 'disabled', 'closed']

/** Every breaker that the fleet's log knows, worst first. */
export function standingsOf(gear: Switchgear): readonly Standing[] {
  return [...gear.states()]
    .map(([breaker, state]) => standing(breaker, state))
    .toSorted((a, b) => rank(a) - rank(b) || (a.breaker < b.breaker ? -1 : 1))
}

export function standing(breaker: string, state: BreakerState): Standing {
  return { breaker, ...state, why: explainReason(state.reason, state.counts) }
}

export function notClosed(standings: readonly Standing[]): readonly Standing[] {
  return standings.filter(({ mode }) => mode !== 'closed')
}

/** The table for people. */
export function standingsTable(standings: readonly Standing[], now: number, screen: Screen): string {
  const heading = ['BREAKER', 'STATE', 'SINCE', 'FOR', 'WHY', 'BY', 'NEXT']
  return table(
    heading,
    standings.map((each) => row(each, now, screen)),
  )
}

function row(each: Standing, now: number, screen: Screen): readonly Cell[] {
  const { breaker, mode, sinceAt, by, why } = each
  return [
    { text: breaker },
    { text: mode, paint: (text) => screen.mode(text, mode) },
    { text: sinceAt === 0 ? '' : readableTime(sinceAt) },
    { text: sinceAt === 0 ? '' : readableDuration(Math.max(0, now - sinceAt)) },
    { text: why },
    { text: by },
    { text: whatIsNext(each, now) },
  ]
}

/** What ends this state, and when. */
export function whatIsNext({ mode, retryAt, probe }: BreakerState, now: number): string {
  if (mode === 'closed') return ''
  if (mode === 'halfOpen') return probe === undefined ? 'probe due' : `probe by ${probe.holder}`
  const left = (retryAt ?? Infinity) - now
  if (mode === 'open') return left > 0 ? `probe in ${readableDuration(left)}` : 'probe due'
  return Number.isFinite(left) ? `ends in ${readableDuration(Math.max(0, left))}` : 'until released'
}

function rank({ mode }: Standing): number {
  return worstFirst.indexOf(mode)
}
