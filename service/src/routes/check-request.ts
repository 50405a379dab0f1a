import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { type Complaint, complaints } from '../config/check-shape.ts'
import { nameText } from '../intake/plain-text.ts'
import { Problem } from './problem.ts'

/** @throws Problem 400 naming every place that is wrong */
export function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw invalid(complaints(result.error))
}

/** The body, which has to be there. @throws Problem 415 or 400 */
export function checkBody<T>(schema: z.ZodType<T>, { body, headers }: FastifyRequest): T {
  if (headers['content-type'] === undefined)
    throw new Problem(415, 'expected content-type: application/json', { kind: 'not-json' })
  return check(schema, body)
}

/** @throws Problem 400 */
export function checkName(where: string, value: unknown): string {
  return checkAt(where, nameText, value)
}

/** What does not stand in the body; `where` is its place in what is said. @throws Problem 400 */
export function checkAt<T>(where: string, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw invalid(complaints(result.error).map(({ message }) => ({ path: where, message })))
}

export function invalid(errors: readonly Complaint[]): Problem {
  const [first, ...others] = errors
  const place = first === undefined || first.path === '' ? 'the body' : first.path
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  return new Problem(400, `${place}: ${first?.message ?? 'is not valid'}${more}`, { kind: 'invalid', errors })
}
