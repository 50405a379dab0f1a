import { z } from 'zod'

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  /** Of a 429: the limits that are reached. */
  'violated-policies': z.array(z.string()).optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
})

/** What every error answers, for the OpenAPI document. */
export const problemSchema: object = {
  description: 'What is wrong, as RFC 9457 has it',
  content: { 'application/problem+json': { schema: problem } },
}
