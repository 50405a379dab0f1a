import { ConfigError } from '../kernel/errors.ts'
import type { Random } from '../ports/random.ts'

/**
 * Chance that can be repeated: the same seed gives the same sequence, on every machine. `next()` is uniform in [0, 1)
 * with 53 bits. The generator is sfc32, which passes PractRand and BigCrush, started by splitmix32 so that neighbouring
 * seeds have nothing in common. Not for secrets.
 * @param seed any finite number
 * @throws ConfigError for a seed that is no finite number
 * @see https://pracrand.sourceforge.net/RNG_engines.txt
 */
export function seededRandom(seed: number): Random {
  if (!Number.isFinite(seed)) throw new ConfigError('seed', `expected a finite number (given: ${String(seed)})`)
  const next = sfc32(seedWords(seed))
  return { next: () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53 }
}

type Words = readonly [number, number, number, number]

/** Every bit of the seed counts, also above 32 and behind the point. */
function seedWords(seed: number): Words {
  const [low, high] = new Uint32Array(new Float64Array([seed]).buffer)
  const mix = splitmix32(low ?? 0)
  const first = mix() ^ (high ?? 0)
  const more = splitmix32(first)
  return [more(), more(), more(), more()]
}

function splitmix32(start: number): () => number {
  let state = start | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
}

function sfc32([first, second, third, counterStart]: Words): () => number {
  let a = first | 0
  let b = second | 0
  let c = third | 0
  let counter = counterStart | 0
  return () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
}
