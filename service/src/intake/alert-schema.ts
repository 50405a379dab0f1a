import { z } from 'zod'
import { nameText, plainText } from './plain-text.ts'

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

/** Entries of `labels`. */
const labelsMax = 64

/** The last instant that JavaScript's dates know. */
const lastInstant = 8.64e15

export const alertDraftSchema: z.ZodType<AlertDraft> = z.strictObject({
  organization: nameText,
  id: nameText.optional(),
  dedupKey: plainText(512).optional(),
  severity: z.enum(severities),
  status: z.enum(statuses),
  type: nameText,
  title: plainText(500),
  message: plainText(20_000),
  labels: z
    .record(nameText, plainText(1_024))
    .refine((labels) => Object.keys(labels).length <= labelsMax, `expected at most ${labelsMax} labels`)
    .optional(),
  occurredAt: z.number().int().min(0).max(lastInstant).optional(),
})

/** Alerts in one request. */
export const alertsInRequestMax = 100

export const alertDraftsSchema: z.ZodType<AlertDraft[]> = z.array(alertDraftSchema).min(1).max(alertsInRequestMax)
