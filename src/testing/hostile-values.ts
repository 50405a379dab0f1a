/** Values that break code which trusts what it is given, by what is wrong with them; new ones each time. */
export function hostileValues(): Readonly<Record<string, unknown>> {
  return Object.fromEntries(hostileNames.map((name) => [name, hostileValue(name)]))
}

/** One of them, new. */
export function hostileValue(name: string): unknown {
  return Object.hasOwn(makers, name) ? makers[name]?.() : undefined
}

const makers: Readonly<Record<string, () => unknown>> = {
  null: () => null,
  undefined: () => undefined,
  text: () => 'a text',
  'an empty text': () => '',
  'half a character': () => '\ud800',
  number: () => 42,
  NaN: () => Number.NaN,
  BigInt: () => 10n ** 30n,
  symbol: () => Symbol('thrown'),
  function: () => () => {},
  bytes: () => Uint8Array.from([0xff, 0xfe, 0x00]),
  'an object without a prototype': () => Object.assign(Object.create(null) as object, { a: 1 }),
  'a key __proto__': () => JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as unknown,
  'a frozen error': () => Object.freeze(new Error('frozen')),
  'a ring of causes': ringOfCauses,
  cyclic: () => {
    const cyclic: Record<string, unknown> = { name: 'cyclic' }
    cyclic['self'] = cyclic
    return cyclic
  },
  'nested deeply': deeplyNested,
  'getters that throw': throwingGetters,
  'a proxy that throws': () => new Proxy({}, throwingTraps()),
  'a revoked proxy': revokedProxy,
  'texts that are none': () => ({ name: 1, message: {}, stack: [], code: null }),
  'a `toString` that throws': () => ({ toString: () => thrown(), toJSON: () => thrown() }),
  'an invalid date': () => new Date(Number.NaN),
}

export const hostileNames: readonly string[] = Object.keys(makers)

function ringOfCauses(): Error {
  const ring: Error & { cause?: unknown } = new Error('a ring of causes')
  ring.cause = new Error('the other half', { cause: ring })
  return ring
}

function thrown(): never {
  throw new Error('hostile')
}

function deeplyNested(): unknown {
  let value: unknown = 'bottom'
  for (let depth = 0; depth < 20_000; depth++) value = { value }
  return value
}

function throwingGetters(): object {
  const keys = [
    'name',
    'message',
    'stack',
    'code',
    'cause',
    'type',
    'status',
    'then',
    'toJSON',
    'constructor',
    'errors',
  ]
  const object = {}
  for (const key of keys) Object.defineProperty(object, key, { get: thrown, enumerable: true })
  return object
}

function throwingTraps(): ProxyHandler<object> {
  return { get: thrown, has: thrown, ownKeys: thrown, getPrototypeOf: thrown, getOwnPropertyDescriptor: thrown }
}

function revokedProxy(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
