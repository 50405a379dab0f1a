import { z } from 'zod'
import { severities, statuses } from '../intake/alert-schema.ts'

const alertFields = {
  organization: z.string(),
  id: z.string(),
  dedupKey: z.string().optional(),
  duplicateOf: z.string().optional(),
  severity: z.enum(severities),
  status: z.enum(statuses),
  type: z.string(),
  title: z.string(),
  message: z.string(),
  labels: z.record(z.string(), z.string()),
  occurredAt: z.number().optional(),
  acceptedAt: z.number(),
}

/** An alert, for the OpenAPI document. */
export const alertSchema: z.ZodType = z.object(alertFields)

/** An alert with its receivers. */
export const alertViewSchema: z.ZodType = z.object({
  ...alertFields,
  receivers: z.array(
    z.object({
      name: z.string(),
      channel: z.enum(['email', 'slack', 'webhook']),
      state: z.enum(['pending', 'delivered', 'deadLettered', 'refused', 'failed', 'silenced']),
      reason: z.string().optional(),
      attempts: z.array(z.object({ at: z.number(), error: z.string().optional() })),
      lastError: z.string().optional(),
      letterId: z.string().optional(),
    }),
  ),
})
