import type { Decision, Limiter } from 'switchgear'

/** What the limits say to the alerts of one request. */
export type Booking =
  | {
      readonly status: 'booked'
      /** Of the organization that is nearest to its limit. */
      readonly decision: Decision | undefined
      /** Gives back what was booked. */
      refund(): Promise<void>
    }
  | { readonly status: 'refused'; readonly organization: string; readonly decision: Decision }

/** Books so many alerts of each organization under the limit `alerts`, all or none; for none it asks how the limit stands. */
export async function bookAlerts(
  limiter: Pick<Limiter, 'check' | 'peek' | 'refund'>,
  countOf: ReadonlyMap<string, number>,
): Promise<Booking> {
  const decisions: Decision[] = []
  const refund = async (): Promise<void> => void (await Promise.all(decisions.map((each) => limiter.refund(each))))
  for (const [organization, count] of countOf) {
    const decision: Decision =
      count === 0
        ? await limiter.peek(organization, 'alerts')
        : await limiter.check(organization, [{ name: 'alerts', cost: count }])
    if (count > 0 && !decision.allowed) {
      await refund()
      return { status: 'refused', organization, decision }
    }
    decisions.push(decision)
  }
  const [nearest] = decisions.toSorted((a, b) => leftOf(a) - leftOf(b))
  return { status: 'booked', decision: nearest, refund }
}

function leftOf({ limits }: Decision): number {
  return Math.min(...limits.map(({ remaining }) => remaining))
}
