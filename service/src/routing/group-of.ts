import { createHash } from 'node:crypto'
import type { RouteConfig } from '../config/schema.ts'
import type { AlertDraft } from '../intake/alert-schema.ts'
import { labelOf } from './matches.ts'

/** The group that a message waits with. */
export interface Group {
  /** The same for the messages of one receiver that become one. */
  readonly key: string
  readonly waitMs: number
}

/** How long a group waits where its route does not say, in ms. */
export const groupWaitMsDefault = 5_000

/**
 * The group of an alert's message to a receiver that `route` names; none where that says nothing of groups. Alike are alerts
 * of the same status that have the same values of what `groupBy` names: all, where it names nothing.
 */
export function groupOf(route: RouteConfig, receiver: string, alert: AlertDraft): Group | undefined {
  const { groupBy, groupWaitMs } = route
  if (groupBy === undefined && groupWaitMs === undefined) return undefined
  const values = (groupBy ?? []).map((name) => valueOf(alert, name) ?? null)
  const key = createHash('sha256')
    .update(JSON.stringify([route, receiver, alert.status, values]))
    .digest('base64url')
  return { key, waitMs: groupWaitMs ?? groupWaitMsDefault }
}

/** A field of the alert, or a label, which may be called by `labels.` and its name. */
function valueOf(alert: AlertDraft, name: string): string | undefined {
  if (name === 'severity' || name === 'status' || name === 'type') return alert[name]
  return labelOf(alert, name.startsWith('labels.') ? name.slice('labels.'.length) : name)
}
