import { z } from 'zod'
import { isPlainText, nameCharactersMax, nameText, plainText } from './plain-text.ts'

export const severities = ['critical', 'high', 'medium', 'low', 'info'] as const
export const statuses = ['firing', 'resolved'] as const

export type Severity = (typeof severities)[number]
export type Status = (typeof statuses)[number]

/** What a caller may post. */
export interface AlertDraft {
  readonly organization: string
  /** Makes intake idempotent; otherwise a ULID. */
  readonly id?: string | undefined
  readonly dedupKey?: string | undefined
  readonly severity: Severity
  readonly status: Status
  readonly type: string
  readonly title: string
  readonly message: string
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Milliseconds since the epoch. */
  readonly occurredAt?: number | undefined
}

/** Characters of a text. */
const charactersMax = Object.freeze({ dedupKey: 512, title: 500, message: 20_000, label: 1_024 })

/** Entries of `labels`. */
const labelsMax = 64

/** The last instant that JavaScript's dates know. */
const lastInstant = 8.64e15

export const alertDraftSchema: z.ZodType<AlertDraft> = z.strictObject({
  organization: nameText,
  id: nameText.optional(),
  dedupKey: plainText(charactersMax.dedupKey).optional(),
  severity: z.enum(severities),
  status: z.enum(statuses),
  type: nameText,
  title: plainText(charactersMax.title),
  message: plainText(charactersMax.message),
  labels: z
    .record(nameText, plainText(charactersMax.label))
    .refine((labels) => Object.keys(labels).length <= labelsMax, `expected at most ${labelsMax} labels`)
    .optional(),
  occurredAt: z.number().int().min(0).max(lastInstant).optional(),
})

/** Alerts in one request. */
export const alertsInRequestMax = 100

export const alertDraftsSchema: z.ZodType<AlertDraft[]> = z.array(alertDraftSchema).min(1).max(alertsInRequestMax)

/**
 * Whether it is an alert as `alertDraftSchema` has it, in a tenth of the time: nearly all that comes is. Of what is not, the
 * schema says what is wrong; of values that JSON does not have, they need not agree.
 */
export function isAlertDraft(value: unknown): value is AlertDraft {
  if (typeof value !== 'object' || value === null) return false
  const { organization, id, dedupKey, severity, status, type, title, message, labels, occurredAt } = value as Partial<
    Record<keyof AlertDraft, unknown>
  >
  let keys = 6
  for (const optional of [id, dedupKey, labels, occurredAt]) if (optional !== undefined) keys++
  return (
    Object.keys(value).length === keys &&
    isPlainText(organization, nameCharactersMax) &&
    isPlainText(type, nameCharactersMax) &&
    isPlainText(title, charactersMax.title) &&
    isPlainText(message, charactersMax.message) &&
    severities.some((known) => known === severity) &&
    statuses.some((known) => known === status) &&
    (id === undefined || isPlainText(id, nameCharactersMax)) &&
    (dedupKey === undefined || isPlainText(dedupKey, charactersMax.dedupKey)) &&
    (labels === undefined || areLabels(labels)) &&
    (occurredAt === undefined || isInstant(occurredAt))
  )
}

function areLabels(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const entries = Object.entries(value)
  return (
    entries.length <= labelsMax &&
    entries.every(([name, text]) => isPlainText(name, nameCharactersMax) && isPlainText(text, charactersMax.label))
  )
}

function isInstant(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= lastInstant
}
