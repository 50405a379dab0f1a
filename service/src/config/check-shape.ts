import { ConfigError } from 'switchgear'
import type { z } from 'zod'

/** One place in something that was given, and what is wrong there. */
export interface Complaint {
  /** Dotted, for example `organizations.acme.receivers.0.url`; empty for the whole. */
  readonly path: string
  readonly message: string
}

/** How many complaints are worth telling at once. */
const complaintsMax = 20

/** What is wrong with something according to zod, one complaint a place; an unknown key is named by its own path. */
export function complaints(error: z.ZodError): readonly Complaint[] {
  return error.issues.flatMap(complaintsOf).slice(0, complaintsMax)
}

function complaintsOf(issue: z.core.$ZodIssue): Complaint[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: dotted([...issue.path, key]), message: 'is not a known key' }))
  return [{ path: dotted(issue.path), message: lowerFirst(issue.message) }]
}

/**
 * Checks what was given against a schema.
 * @throws ConfigError whose `path` is the first wrong place and whose message tells of all of them.
 */
export function checkShape<T>(schema: z.ZodType<T>, given: unknown, source: string): T {
  const result = schema.safeParse(given)
  if (result.success) return result.data
  throw complaintsError(source, complaints(result.error))
}

/** Several complaints about one source, as one error. */
export function complaintsError(source: string, found: readonly Complaint[]): ConfigError {
  const [first, ...others] = found
  const more = others.map(({ path, message }) => `\n  ${path}: ${message}`).join('')
  return new ConfigError(first?.path ?? '', `${first?.message ?? 'is not valid'} (in ${source})${more}`)
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join('.')
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
