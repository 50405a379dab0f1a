import type { Organization, Receiver } from '../config/organizations.ts'
import type { AlertDraft } from '../intake/alert-schema.ts'
import { matches } from './matches.ts'

/** A receiver that an alert is for; silenced ones are recorded and get nothing. */
export interface Routed {
  readonly receiver: Receiver
  /** Who silenced it, and why. */
  readonly silenced?: string
}

/**
 * The receivers of an alert: without routes all of them, else the union of the routes that match, in the order of the
 * configuration. A silence that matches at `nowAt` (ms since the epoch) silences them all.
 */
export function route(organization: Organization, alert: AlertDraft, nowAt: number): readonly Routed[] {
  const silence = organization.silences.find(({ match, untilAt }) => untilAt > nowAt && matches(match, alert))
  const chosen = receiversFor(organization, alert)
  if (silence === undefined) return chosen.map((receiver) => ({ receiver }))
  const silenced = `silenced by ${silence.by} until ${new Date(silence.untilAt).toISOString()}: ${silence.reason}`
  return chosen.map((receiver) => ({ receiver, silenced }))
}

function receiversFor({ receivers, routes }: Organization, alert: AlertDraft): readonly Receiver[] {
  if (routes.length === 0) return receivers
  const names = new Set(routes.filter(({ match }) => matches(match, alert)).flatMap(({ to }) => to))
  return receivers.filter(({ name }) => names.has(name))
}
