import { randomBytes } from 'node:crypto'

const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** All of two letters, which are ten bits. */
const pairs = Array.from({ length: 1_024 }, (_, n) => `${letters[n >> 5]}${letters[n & 31]}`)
const timeBits = 50
const halfBits = 40

/**
 * Makes ULIDs, each greater than the one before, also within a millisecond and when the clock steps back: then the last 40
 * bits count on from a random beginning. It asks for chance once a millisecond, where `ulid` does so for each letter.
 * @see https://github.com/ulid/spec
 */
export function ulids(now: () => number = Date.now): () => string {
  let lastAt = -1
  let before = ''
  let counted = 0
  return () => {
    const at = now()
    if (at > lastAt) {
      const chance = randomBytes(10)
      lastAt = at
      before = encoded(at, timeBits) + encoded(chance.readUIntBE(0, 5), halfBits)
      // Half of what there is, so that it can count on 2^39 times.
      counted = Math.floor(chance.readUIntBE(5, 5) / 2)
    }
    counted += 1
    return before + encoded(counted, halfBits)
  }
}

function encoded(value: number, bits: number): string {
  let text = ''
  for (let left = bits - 10; left >= 0; left -= 10) text += pairs[Math.floor(value / 2 ** left) % 1_024] ?? ''
  return text
}
