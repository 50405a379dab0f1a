/** Uniform in [0, 1) with 32 bits: half the price of `seededRandom`, for what is drawn millions of times. */
export type Chance = () => number

/** The same seed and stream give the same sequence; streams of one seed have nothing in common. Splitmix32. */
export function chanceOf(seed: number, stream: number): Chance {
  let state = Math.imul(seed ^ Math.imul(stream + 1, 0x85ebca6b), 0xc2b2ae35) | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    return mixed(state) * perWord
  }
}

const perWord = 2 ** -32

function mixed(state: number): number {
  let word = state ^ (state >>> 16)
  word = Math.imul(word, 0x21f0aaad)
  word ^= word >>> 15
  word = Math.imul(word, 0x735a2d97)
  return (word ^ (word >>> 15)) >>> 0
}

/** When each instance is asked for calls: a Poisson process each, which does not depend on what happens to the calls. */
export interface Arrivals {
  /** The next moment, in whole ms from the start and after `tick`. A whole number, since others cost an object each. */
  next(instance: number, tick: number): number
}

export function arrivalsOf(seed: number, instances: number, callsPerSecond: number): Arrivals {
  const meanMs = 1_000 / callsPerSecond
  const states = Int32Array.from({ length: instances }, (_, instance) =>
    Math.imul(seed ^ Math.imul(instance + 1, 0x9e3779b1), 0x85ebca77),
  )
  const last = new Float64Array(instances)
  return {
    next(instance, tick) {
      const state = ((states[instance] ?? 0) + 0x9e3779b9) | 0
      states[instance] = state
      const at = (last[instance] ?? 0) - Math.log(1 - mixed(state) * perWord) * meanMs
      last[instance] = at
      return Math.max(tick + 1, Math.ceil(at))
    },
  }
}
