/**
 * A text of somebody else's for a terminal: control characters, which could move the cursor or end the line, are written
 * as `\u{…}`, and so are those that turn the direction of writing around.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (character) => `\\u{${codeOf(character)}}`)
}

function codeOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16)
}
