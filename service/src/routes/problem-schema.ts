import { z } from 'zod'

/** What every error answers, for the OpenAPI document. */
export const problemSchema: z.ZodType = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  'violated-policies': z.array(z.string()).optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
})
