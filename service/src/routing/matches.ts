import type { Match } from '../config/schema.ts'
import type { AlertDraft } from '../intake/alert-schema.ts'

/** Whether an alert meets every condition that is given; each is one value or any of several, equal to the letter. */
export function matches(match: Match | undefined, alert: AlertDraft): boolean {
  if (match === undefined) return true
  const { severity, status, type, labels = {} } = match
  return (
    holds(severity, alert.severity) &&
    holds(status, alert.status) &&
    holds(type, alert.type) &&
    Object.entries(labels).every(([name, wanted]) => holds(wanted, labelOf(alert, name)))
  )
}

function holds(wanted: string | readonly string[] | undefined, found: string | undefined): boolean {
  if (wanted === undefined) return true
  return typeof wanted === 'string' ? wanted === found : found !== undefined && wanted.includes(found)
}

/** A label of an alert; what every object has is none. */
export function labelOf({ labels }: AlertDraft, name: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, name) ? labels[name] : undefined
}
