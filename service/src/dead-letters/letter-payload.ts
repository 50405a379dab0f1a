import { z } from 'zod'
import { severities, statuses } from '../intake/alert-schema.ts'
import { nameText, plainText } from '../intake/plain-text.ts'
import type { StoredAlert } from '../store/stored-alert.ts'

/**
 * What a dead letter of this service holds: what is sent, and for whom. Where it goes, and with which secret, is looked up
 * in the configuration when it is sent again.
 */
export interface LetterPayload {
  readonly alert: StoredAlert
  /** The name of the receiver. */
  readonly receiver: string
  /** Where it was to go, `<channel>:<host>`; for people. */
  readonly destination?: string | undefined
  /** Recipients who have it, where there are several: they are not sent it again. */
  readonly reached: readonly string[]
  /** Recipients who were refused for good the last time, with the reply. */
  readonly refused: Readonly<Record<string, string>>
  /** W3C trace context of who sent the alert. */
  readonly traceparent?: string | undefined
}

const instant = z.number().int().min(0).max(8.64e15)

/** Checks the payload of a letter, which an operator may have edited. */
export const letterPayloadSchema: z.ZodType<LetterPayload> = z.object({
  alert: z.object({
    organization: nameText,
    id: nameText,
    dedupKey: plainText(512).exactOptional(),
    duplicateOf: nameText.exactOptional(),
    severity: z.enum(severities),
    status: z.enum(statuses),
    type: nameText,
    title: plainText(500),
    message: plainText(20_000),
    labels: z.record(nameText, plainText(1_024)),
    occurredAt: instant.exactOptional(),
    acceptedAt: instant,
    group: z.object({ count: z.number().int().min(1), titles: z.array(plainText(500)).max(1_000) }).exactOptional(),
  }),
  receiver: nameText,
  destination: z.string().optional(),
  reached: z.array(z.string()).default([]),
  refused: z.record(z.string(), z.string()).default({}),
  traceparent: z.string().optional(),
})
