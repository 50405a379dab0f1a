/** How deep a value is followed; what lies deeper becomes a note that says so. */
export const storableDepthMax = 200

/** Thrown by `storableJson` where the text would be longer than it may be. */
export class TooLongToStore extends RangeError {
  readonly charactersMax: number

  constructor(charactersMax: number) {
    super(`the value takes more than ${charactersMax} characters of JSON`)
    this.name = 'TooLongToStore'
    this.charactersMax = charactersMax
  }
}

/**
 * Any value as JSON text, as well as it can be, and as `JSON.stringify` does it where that does it. What differs: bytes
 * become `{ "$base64": … }`, a Map its entries, a Set its members, an Error its name, message and own properties, a BigInt
 * its digits; a cycle, what cannot be read (a getter that throws, a revoked proxy) and what is nested deeper than
 * `storableDepthMax` become a note in brackets. What JSON leaves out (functions, symbols, `undefined`) is left out, and is
 * `null` at the top. A key `__proto__` stays a key.
 *
 * Throws nothing but `TooLongToStore`, as soon as the text grows beyond `charactersMax`: values that are shared a
 * million times over, or make new ones as they are read, must not take the memory of the process.
 */
export function storableJson(value: unknown, charactersMax: number = Infinity): string {
  let left = charactersMax
  const ancestors = new Set<object>()

  const spend = (text: string): string => {
    left -= text.length
    if (left < 0) throw new TooLongToStore(charactersMax)
    return text
  }

  const write = (given: unknown, key: string): string | undefined => {
    try {
      const simple = scalar(given)
      if (simple !== notScalar) return simple === undefined ? undefined : spend(simple)
      return writeObject(asObject(given), key)
    } catch (error) {
      if (error instanceof TooLongToStore) throw error
      return spend('"[unreadable]"')
    }
  }

  const writeObject = (given: object, key: string): string | undefined => {
    if (ancestors.has(given)) return spend('"[circular]"')
    if (ancestors.size >= storableDepthMax) return spend('"[nested too deep]"')
    ancestors.add(given)
    try {
      const plain = plainForm(given, key)
      const simple = scalar(plain)
      if (simple !== notScalar) return simple === undefined ? undefined : spend(simple)
      const object = asObject(plain)
      return Array.isArray(object) ? writeList(object) : writeFields(object)
    } finally {
      ancestors.delete(given)
    }
  }

  const writeList = (list: readonly unknown[]): string => {
    const parts: string[] = []
    spend('[]')
    for (let i = 0; i < list.length; i++) {
      if (i > 0) spend(',')
      parts.push(write(read(list, String(i)), String(i)) ?? spend('null'))
    }
    return `[${parts.join(',')}]`
  }

  const writeFields = (object: object): string => {
    const parts: string[] = []
    spend('{}')
    for (const key of Object.keys(object)) {
      const text = write(read(object, key), key)
      if (text === undefined) continue
      spend(parts.length === 0 ? ':' : ',:')
      parts.push(`${spend(JSON.stringify(key))}:${text}`)
    }
    return `{${parts.join(',')}}`
  }

  return write(value, '') ?? 'null'
}

const notScalar = Symbol('not a scalar')

/** The text of what needs no following; `undefined` for what JSON leaves out. */
function scalar(value: unknown): string | undefined | typeof notScalar {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value)
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null'
    case 'bigint':
      return `"${value}"`
    case 'object':
      return value === null ? 'null' : notScalar
    default:
      return undefined
  }
}

/** What is written in place of an object: its own `toJSON`, or what `JSON.stringify` would lose. */
function plainForm(given: object, key: string): unknown {
  if (given instanceof Uint8Array)
    return { $base64: Buffer.from(given.buffer, given.byteOffset, given.byteLength).toString('base64') }
  if (given instanceof Map) return [...given.entries()]
  if (given instanceof Set) return [...given.values()]
  const toJson: unknown = Reflect.get(given, 'toJSON')
  if (typeof toJson === 'function') return Reflect.apply(toJson, given, [key])
  if (given instanceof Error) return errorForm(given)
  return given
}

function errorForm(error: Error): object {
  return Object.assign({ name: read(error, 'name'), message: read(error, 'message') }, error)
}

/** A property, or a note where it cannot be read. */
function read(from: object, key: string): unknown {
  try {
    return Reflect.get(from, key)
  } catch {
    return '[unreadable]'
  }
}

function asObject(value: unknown): object {
  return Object(value) as object
}
