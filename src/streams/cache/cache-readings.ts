/** A value that is being read or loaded, to be kept in this process. */
export interface Reading<F> {
  readonly at: string
  /** Since when: what is valid of its organization. */
  readonly fence: F
  /** Its key was written, removed or told of since it began: what it finds is not kept. */
  readonly isVoid: boolean
}

/** What is being read, so that a change of one key reaches it too: what was sent before the change may arrive after it. */
export interface Readings<F> {
  begin(at: string, fence: F): Reading<F>
  end(reading: Reading<F>): void
  /** Makes what is being read of a key void. */
  forget(at: string): void
}

export function cacheReadings<F>(): Readings<F> {
  const underWay = new Map<string, Set<{ isVoid: boolean }>>()
  return {
    begin(at, fence) {
      const reading = { at, fence, isVoid: false }
      const others = underWay.get(at)
      if (others === undefined) underWay.set(at, new Set([reading]))
      else others.add(reading)
      return reading
    },
    end(reading) {
      const all = underWay.get(reading.at)
      if (all?.delete(reading) === true && all.size === 0) underWay.delete(reading.at)
    },
    forget(at) {
      for (const reading of underWay.get(at) ?? []) reading.isVoid = true
    },
  }
}
