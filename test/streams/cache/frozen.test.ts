import { expect, test } from 'vitest'
import { frozen } from '../../../src/streams/cache/frozen.ts'

test('plain values are frozen with all that they hold, cycles and gaps too', () => {
  const value = { list: [undefined, { deep: [1, 'two', 3n] }], none: null, self: {} }
  value.self = value
  expect(frozen(value)).toBe(true)
  expect([value, value.list, value.list[1], value.list[1]?.deep].every(Object.isFrozen)).toBe(true)
})

test('what stands behind an undefined is seen, too', () => {
  expect(frozen([new Date(0), undefined])).toBe(false)
  expect(frozen([undefined, new Date(0)])).toBe(false)
})

class Counter {
  #count = 0
  next(): number {
    return (this.#count += 1)
  }
}

test.each([
  ['a Date', new Date(0)],
  ['a Map', new Map()],
  ['bytes', new Uint8Array(1)],
  ['an instance of a class', new Counter()],
  ['a function', () => 1],
])('%s has a state that freezing does not reach, and nothing around it is frozen', (_, hidden) => {
  const value = { first: {}, hidden }
  expect(frozen(value)).toBe(false)
  expect(Object.isFrozen(value) || Object.isFrozen(value.first)).toBe(false)
})

test('a million parts are no more than a few', () => {
  expect(frozen(Array.from({ length: 1_000_000 }, (_, index) => index))).toBe(true)
})
