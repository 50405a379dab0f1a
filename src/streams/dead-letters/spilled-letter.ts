import type { LetterBounds } from '../../ports/letter-store.ts'
import type { LetterParts } from '../../ports/letter.ts'

/** A letter that waits in a journal, as it was to be added. */
export interface SpilledLetter {
  readonly letter: LetterParts
  readonly bounds: LetterBounds
}

/** Its record: a line of JSON with all but the payload, which follows as it is. */
export function writeSpilled({ letter: { header, body }, bounds }: SpilledLetter): Uint8Array {
  return Buffer.from(`${JSON.stringify({ version: 1, lettersMax: bounds.lettersMax, header })}\n${body}`)
}

/** `undefined` for what is no record of a letter, or one of a later version. */
export function readSpilled(record: Uint8Array): SpilledLetter | undefined {
  const text = Buffer.from(record.buffer, record.byteOffset, record.byteLength).toString()
  const end = text.indexOf('\n')
  try {
    const { version, lettersMax, header } = JSON.parse(text.slice(0, end)) as Record<string, unknown>
    if (version !== 1 || typeof lettersMax !== 'number' || typeof header !== 'object' || header === null)
      return undefined
    return { letter: { header: header as LetterParts['header'], body: text.slice(end + 1) }, bounds: { lettersMax } }
  } catch {
    return undefined
  }
}
