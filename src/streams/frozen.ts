import { types } from 'node:util'

/**
 * Freezes a value with all that it holds, and says whether that makes it safe to hand to many: what has a state that
 * freezing does not reach (a Date, a Map, bytes) is not.
 */
export function frozen(value: unknown): boolean {
  const waiting: unknown[] = [value]
  const seen = new Set<object>()
  for (let next = waiting.pop(); waiting.length > 0 || next !== undefined; next = waiting.pop()) {
    if (typeof next !== 'object' || next === null || seen.has(next)) continue
    if (hasHiddenState(next)) return false
    seen.add(next)
    const held: readonly unknown[] = Object.values(next)
    for (const each of held) waiting.push(each)
  }
  for (const each of seen) Object.freeze(each)
  return true
}

function hasHiddenState(value: object): boolean {
  return (
    types.isDate(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isRegExp(value) ||
    types.isNativeError(value) ||
    types.isAnyArrayBuffer(value) ||
    ArrayBuffer.isView(value)
  )
}
