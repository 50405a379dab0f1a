/** What may come next: a value, a value or the end of a list, a key, and so on. */
type Expectation = 'value' | 'valueOrClose' | 'key' | 'keyOrClose' | 'colon' | 'commaOrClose' | 'end'

const blanks = /[ \t\n\r]*/y
const scalar =
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
const key = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y

/**
 * Where a text stops being JSON, as an index into it; its length when something is missing at the end, or when nothing is
 * wrong. The platform's own messages give no place for short texts. Iterative: depth costs memory, not stack.
 * @see https://www.rfc-editor.org/rfc/rfc8259
 */
export function firstJsonError(text: string): number {
  const open: ('{' | '[')[] = []
  let expected: Expectation = 'value'
  let at = 0
  while (true) {
    at = skip(blanks, text, at)
    const step = take(text, at, expected, open)
    if (step === undefined) return at
    at = step.at
    expected = step.expected
  }
}

function take(
  text: string,
  at: number,
  expected: Expectation,
  open: ('{' | '[')[],
): { at: number; expected: Expectation } | undefined {
  const char = text[at]
  switch (expected) {
    case 'value':
    case 'valueOrClose':
      if (char === ']' && expected === 'valueOrClose') return close(at, open)
      return takeValue(text, at, open)
    case 'key':
    case 'keyOrClose': {
      if (char === '}' && expected === 'keyOrClose') return close(at, open)
      const end = skip(key, text, at)
      return end === at ? undefined : { at: end, expected: 'colon' }
    }
    case 'colon':
      return char === ':' ? { at: at + 1, expected: 'value' } : undefined
    case 'commaOrClose': {
      const inside = open.at(-1)
      if (char === ',') return { at: at + 1, expected: inside === '{' ? 'key' : 'value' }
      return char === (inside === '{' ? '}' : ']') ? close(at, open) : undefined
    }
    case 'end':
      return undefined
  }
}

function takeValue(text: string, at: number, open: ('{' | '[')[]): { at: number; expected: Expectation } | undefined {
  const char = text[at]
  if (char === '{' || char === '[') {
    open.push(char)
    return { at: at + 1, expected: char === '{' ? 'keyOrClose' : 'valueOrClose' }
  }
  const end = skip(scalar, text, at)
  return end === at ? undefined : { at: end, expected: after(open) }
}

function close(at: number, open: ('{' | '[')[]): { at: number; expected: Expectation } {
  open.pop()
  return { at: at + 1, expected: after(open) }
}

function after(open: readonly unknown[]): Expectation {
  return open.length === 0 ? 'end' : 'commaOrClose'
}

/** Where the sticky pattern's match at `at` ends; `at` itself when there is none. */
function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}
