import type { Limiter, Limits, LimitState } from '../index.ts'
import type { Stores } from './store-command.ts'

/** Where an organization stands with one limit. */
export interface LimitStanding extends Omit<LimitState, 'exceeded'> {
  /** It is a limit of its own, other than what holds for everybody. */
  readonly overridden: boolean
}

/** A request may ask for so many names. */
const namesMax = 16

/** Looks, and books nothing. @throws UnavailableError */
export async function standingsOf(
  stores: Stores,
  limiter: Limiter,
  organization: string,
  limits: Limits,
): Promise<readonly LimitStanding[]> {
  const names = Object.keys(limits)
  const standings: LimitStanding[] = []
  for (let from = 0; from < names.length; from += namesMax) {
    const decision = await limiter.peek(organization, names.slice(from, from + namesMax))
    if (decision.degraded) throw stores.unreached()
    for (const { name, limit, windowMs, remaining, resetMs } of decision.limits) {
      const forAll = limits[name]
      const overridden = limit !== forAll?.limit || windowMs !== forAll.windowMs
      standings.push({ name, limit, windowMs, remaining, resetMs, overridden })
    }
  }
  return standings
}
