import { randomFillSync } from 'node:crypto'

/** Numbers that are drawn at once: asking for one costs more than all else that is done for an id. */
const drawn = 1_024

/** Chance in [0, 1) that nobody can foretell, 32 bits of it. */
export function bufferedRandom(): () => number {
  const numbers = new Uint32Array(drawn)
  let next = drawn
  return () => {
    if (next === drawn) {
      randomFillSync(numbers)
      next = 0
    }
    return (numbers[next++] ?? 0) / 2 ** 32
  }
}
