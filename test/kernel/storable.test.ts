import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { storableDepthMax, storableJson, TooLongToStore } from '../../src/kernel/storable.ts'

const stored = (value: unknown): unknown => JSON.parse(storableJson(value))

describe('storableJson', () => {
  test('writes what JSON can hold as JSON.stringify does', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => storableJson(value) === JSON.stringify(value)),
      { numRuns: 1_000 },
    )
  })

  test('gives JSON for anything, and throws nothing', () => {
    const anything = fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withNullPrototype: true,
      withSparseArray: true,
      withTypedArray: true,
      withObjectString: true,
    })
    fc.assert(
      fc.property(anything, (value) => {
        stored(value)
      }),
      { numRuns: 1_000 },
    )
  })

  test('leaves out what JSON leaves out, and writes null for it in a list and at the top', () => {
    expect(stored({ a: undefined, b: () => 1, c: Symbol('c'), d: 1 })).toEqual({ d: 1 })
    expect(stored([undefined, () => 1, Symbol('c'), NaN, Infinity])).toEqual([null, null, null, null, null])
    expect(stored(undefined)).toBe(null)
    expect(stored(() => 1)).toBe(null)
  })

  test('keeps what JSON.stringify loses: digits, bytes, maps, sets, errors', () => {
    expect(stored(12345678901234567890n)).toBe('12345678901234567890')
    expect(stored(Buffer.from([0xff, 0x00, 0xfe]))).toEqual({ $base64: '/wD+' })
    expect(stored(new Map([['a', { b: 1 }]]))).toEqual([['a', { b: 1 }]])
    expect(stored(new Set([1, 2]))).toEqual([1, 2])
    expect(stored(Object.assign(new TypeError('bad'), { code: 'E1' }))).toEqual({
      name: 'TypeError',
      message: 'bad',
      code: 'E1',
    })
    expect(stored({ at: new Date(0), to: new URL('http://a.example/') })).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      to: 'http://a.example/',
    })
  })

  test('says where a cycle comes back to itself, and writes twice what is only shared', () => {
    const shared = { s: 1 }
    const ring: Record<string, unknown> = { shared, again: shared }
    ring['self'] = [ring]
    expect(stored(ring)).toEqual({ shared: { s: 1 }, again: { s: 1 }, self: ['[circular]'] })
  })

  test('keeps a key __proto__ as a key', () => {
    const value: unknown = JSON.parse('{"__proto__":{"polluted":true},"a":1}')
    expect(storableJson(value)).toBe('{"__proto__":{"polluted":true},"a":1}')
    expect(Reflect.get(Object.prototype, 'polluted')).toBe(undefined)
  })

  test('writes a note for what cannot be read', () => {
    const hostile = {
      get a() {
        throw new Error('no')
      },
      b: 1,
      c: {
        toJSON: () => {
          throw new Error('no')
        },
      },
    }
    expect(stored(hostile)).toEqual({ a: '[unreadable]', b: 1, c: '[unreadable]' })
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(stored([proxy, 1])).toEqual(['[unreadable]', 1])
  })

  test('follows a value down to its bound and no further', () => {
    let deep: unknown = 'bottom'
    for (let i = 0; i < 100_000; i++) deep = [deep]
    const text = storableJson(deep)
    expect(text).toContain('[nested too deep]')
    expect(text.lastIndexOf('[[') + 2).toBe(storableDepthMax)
  })

  test('stops as soon as the text grows beyond its bound, also for values that grow as they are read', () => {
    let doubled: unknown = ['x']
    for (let i = 0; i < 60; i++) doubled = [doubled, doubled]
    expect(() => storableJson(doubled, 1_000)).toThrow(TooLongToStore)
    expect(() => storableJson(Object.assign([], { length: 2 ** 32 - 1 }), 1_000)).toThrow(TooLongToStore)
    const endless = (): object => ({
      get next() {
        return endless()
      },
    })
    expect(storableJson(endless(), 100_000)).toContain('[nested too deep]')
    expect(storableJson('x'.repeat(998), 1_000)).toHaveLength(1_000)
    expect(() => storableJson('x'.repeat(999), 1_000)).toThrow(TooLongToStore)
  })
})
