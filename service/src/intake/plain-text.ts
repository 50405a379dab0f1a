import { z } from 'zod'

/**
 * A text of 1 to `charactersMax` characters that every store and channel can hold: well-formed, and without NUL, which
 * PostgreSQL has no place for.
 */
export function plainText(charactersMax: number): z.ZodType<string> {
  return z.string().min(1).max(charactersMax).refine(isStorable, 'holds NUL or half of a surrogate pair')
}

/** Characters of a name. */
export const nameCharactersMax = 128

/** A name, as the whole of the project has them: 1 to 128 characters. */
export const nameText: z.ZodType<string> = plainText(nameCharactersMax)

/** Whether `plainText` would take it. */
export function isPlainText(value: unknown, charactersMax: number): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= charactersMax && isStorable(value)
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}
