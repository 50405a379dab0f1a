import { z } from 'zod'
import { ConfigError } from './errors.ts'

/**
 * Checks what a caller gave against a schema, once, at the door.
 * @throws ConfigError naming the path, the value and what was expected.
 */
export function parseOptions<T>(schema: z.ZodType<T>, given: unknown, at: string): T {
  const result = schema.safeParse(given)
  if (result.success) return result.data
  const [first] = result.error.issues
  const issue = first && ofUnion(first)
  const keys = issue?.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : (issue?.path ?? [])
  const path = [at, ...keys.map(String)].filter((part) => part !== '').join('.') || 'options'
  const rule =
    issue?.code === 'unrecognized_keys' ? 'is not a known option' : lowerFirst(issue?.message ?? 'is not valid')
  throw new ConfigError(path, `${rule} (given: ${shown(valueAt(given, keys))})`)
}

/** Of a union that has no words of its own: what is wrong inside the value, where one kind fits, or else all the kinds. */
function ofUnion(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') return issue
  const kinds = issue.errors.flatMap((kind) => kind.slice(0, 1)).map(ofUnion)
  const inside = kinds.find(({ path }) => path.length > 0)
  if (inside !== undefined) return { ...inside, path: [...issue.path, ...inside.path] }
  const expected = kinds.map(({ message }) => message.replace(/^.*?expected /, '').replace(/, received .*$/, ''))
  return { ...issue, message: `expected ${[...new Set(expected)].join(' or ')}` }
}

/** The longest timer there is, in ms: some 24 days. Node takes a longer one for 1 ms. */
export const durationMsMax: number = 2 ** 31 - 1

/** A whole number of milliseconds, or a fraction of one: above 0, at most some 24 days, the longest timer there is. */
export const durationMs: z.ZodNumber = z.number().positive().max(durationMsMax)

/** A count: a whole number of at least 1. */
export const count: z.ZodNumber = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)

/** Whether it is an object of the caller's with these methods: as much as can be checked without calling them. */
export function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false
  return names.every((name) => typeof Reflect.get(value, name) === 'function')
}

/** A function, which is as much as can be checked of it. */
export function callable<F extends (...args: never[]) => unknown>(): z.ZodType<F> {
  return z.custom<F>((value) => typeof value === 'function', { error: 'expected a function' })
}

function valueAt(given: unknown, keys: readonly PropertyKey[]): unknown {
  let value = given
  for (const key of keys) {
    if (value === null || typeof value !== 'object') return undefined
    value = Reflect.get(value, key)
  }
  return value
}

/** A value in an error message: short, and never with a secret's length of it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (value !== null && typeof value === 'object') return 'an object'
  return String(value)
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
