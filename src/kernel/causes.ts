/** How many errors are looked at, causes and parts of an `AggregateError` together; a ring of causes ends here. */
const linksMax = 16

/**
 * Asks `ask` of an error and of what caused it, outermost first, until it gives something else than `undefined`.
 * Looks through `cause` and, for an `AggregateError`, through `errors`; at most 16 of them, so that a ring ends. Never
 * throws itself, whatever the error is; `ask` must not either.
 */
export function firstInCauses<T>(error: unknown, ask: (link: unknown) => T | undefined): T | undefined {
  return search(error, ask, { left: linksMax })
}

function search<T>(error: unknown, ask: (link: unknown) => T | undefined, budget: { left: number }): T | undefined {
  let link = error
  while (budget.left > 0) {
    budget.left -= 1
    const answer = ask(link)
    if (answer !== undefined) return answer
    const parts = peek(link, 'errors')
    if (isList(parts)) {
      const found = searchParts(parts, ask, budget)
      if (found !== undefined) return found
    }
    const cause = peek(link, 'cause')
    if (cause === undefined || cause === null) return undefined
    link = cause
  }
  return undefined
}

function searchParts<T>(parts: object, ask: (link: unknown) => T | undefined, budget: { left: number }): T | undefined {
  for (let index = 0; budget.left > 0; index += 1) {
    const part = peek(parts, index)
    if (part === undefined) return undefined
    const found = search(part, ask, budget)
    if (found !== undefined) return found
  }
  return undefined
}

/** A property of anything, or `undefined`: for a primitive, for a getter or a proxy that throws. Never throws. */
export function peek(value: unknown, key: PropertyKey): unknown {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return undefined
  try {
    return Reflect.get(value, key)
  } catch {
    return undefined
  }
}

/** The same, where only a text will do. */
export function peekText(value: unknown, key: PropertyKey): string | undefined {
  const found = peek(value, key)
  return typeof found === 'string' ? found : undefined
}

/** `Array.isArray` throws for a revoked proxy. */
function isList(value: unknown): value is readonly unknown[] {
  if (typeof value !== 'object' || value === null) return false
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}
