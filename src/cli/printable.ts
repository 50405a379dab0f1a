/**
 * A text of somebody else's for a terminal: control characters, which could move the cursor or end the line, are written
 * as `\u{…}`, and so are those that turn the direction of writing around.
 */
export function printable(text: string): string {
  return text.replaceAll(unprintable, (character) => `\\u{${codeOf(character)}}`)
}

/** A text as one word of a line for a shell. */
export function shellWord(text: string): string {
  return `'${printable(text).replaceAll("'", String.raw`'\''`)}'`
}

/** A value as JSON text that a terminal can show too: the same characters are escaped, and mean what they meant. */
export function printableJson(value: unknown, indent?: number): string {
  const escaped = (character: string): string => `\\u${codeOf(character).padStart(4, '0')}`
  const isLayout = (character: string): boolean => character === '\n'
  const text = JSON.stringify(value, undefined, indent)
  return text.replaceAll(unprintable, (character) => (isLayout(character) ? character : escaped(character)))
}

const unprintable = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu

function codeOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16)
}
