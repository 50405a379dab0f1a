import { createHash } from 'node:crypto'
import type { AlertDraft } from './alert-schema.ts'

/** What two posts of the same alert, or of the same alerts, have in common, in whatever order their keys came. */
export function fingerprint(posted: AlertDraft | readonly AlertDraft[]): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(posted)))
    .digest('base64url')
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)])
}
