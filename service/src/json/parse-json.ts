import { firstJsonError } from './first-json-error.ts'

/** A text that is not JSON, with the place where it stops being JSON. */
export class NotJsonError extends Error {
  /** 1-based. */
  readonly line: number
  /** 1-based, in UTF-16 units. */
  readonly column: number

  constructor(text: string, cause: unknown) {
    const at = firstJsonError(text)
    const before = text.slice(0, at)
    const line = before.split('\n').length
    const column = at - before.lastIndexOf('\n')
    const found = at >= text.length ? 'the end' : JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0))
    super(`not JSON: unexpected ${found} at line ${line}, column ${column}`, { cause })
    this.name = 'NotJsonError'
    this.line = line
    this.column = column
  }
}

/** @throws NotJsonError */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new NotJsonError(text, error)
  }
}
