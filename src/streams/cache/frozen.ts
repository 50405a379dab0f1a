/**
 * Freezes a value with all that it holds, and says whether that makes it safe to hand to many: plain objects, arrays and
 * primitives are, and what may have a state that freezing does not reach (a Date, a Map, bytes, an instance of a class, a
 * function) is not.
 */
export function frozen(value: unknown): boolean {
  const waiting: unknown[] = [value]
  const seen = new Set<object>()
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next === 'function') return false
    if (typeof next !== 'object' || next === null || seen.has(next)) continue
    if (!isPlain(next)) return false
    seen.add(next)
    const held: readonly unknown[] = Object.values(next)
    for (const each of held) waiting.push(each)
  }
  for (const each of seen) Object.freeze(each)
  return true
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || prototype === Array.prototype
}
