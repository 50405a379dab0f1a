import type { Organization, Receiver } from '../config/organizations.ts'
import type { AlertDraft } from '../intake/alert-schema.ts'
import { type Group, groupOf } from './group-of.ts'
import { matches } from './matches.ts'

/** A receiver that an alert is for; silenced ones are recorded and get nothing. */
export interface Routed {
  readonly receiver: Receiver
  /** The group that its message waits with. */
  readonly group?: Group
  /** Who silenced it, and why. */
  readonly silenced?: string
}

/**
 * The receivers of an alert: without routes all of them, else the union of the routes that match, in the order of the
 * configuration. The first route that names a receiver says how its messages are grouped. A silence that matches at `nowAt`
 * (ms since the epoch) silences them all.
 */
export function route(organization: Organization, alert: AlertDraft, nowAt: number): readonly Routed[] {
  const silence = organization.silences.find(({ match, untilAt }) => untilAt > nowAt && matches(match, alert))
  const chosen = chosenFor(organization, alert)
  if (silence === undefined) return chosen
  return chosen.map(({ receiver }) => ({ receiver, silenced: silence.told }))
}

function chosenFor({ receivers, routes }: Organization, alert: AlertDraft): readonly Routed[] {
  if (routes.length === 0) return receivers.map((receiver) => ({ receiver }))
  const matching = routes.filter(({ match }) => matches(match, alert))
  return receivers.flatMap((receiver) => {
    const first = matching.find(({ to }) => to.includes(receiver.name))
    if (first === undefined) return []
    const group = groupOf(first, receiver.name, alert)
    return [group === undefined ? { receiver } : { receiver, group }]
  })
}
