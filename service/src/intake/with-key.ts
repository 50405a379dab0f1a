import type { AlertDraft } from './alert-schema.ts'

/**
 * The alerts of a request that has an `Idempotency-Key`: those without an id get one from it, the first the key itself and
 * the others the key with their place, so that the request again is found by its alerts.
 */
export function withKey(drafts: readonly AlertDraft[], key: string): readonly AlertDraft[] {
  return drafts.map((draft, index) =>
    draft.id === undefined ? { ...draft, id: index === 0 ? key : `${key}.${index}` } : draft,
  )
}
