/**
 * What happens to calls at which ms: slots, which are small numbers, in a wheel of lists. Millions of them cost two
 * writes each; no object, no closure, no comparison.
 */
export interface CallWheel {
  /** A free slot above those that were reserved. */
  take(): number
  free(slot: number): void
  /** At most once at a time for each slot, and later than the last `drain`. */
  push(slot: number, due: number): void
  /** Visits what is due at this moment, in the order in which it was pushed. Each ms in turn. */
  drain(tick: number, visit: (slot: number) => void): void
  /** Slots above the reserved ones that are in use. */
  readonly used: number
}

/** Some two minutes; what is due later goes round again. */
const ticks = 2 ** 17
const none = -1

export function callWheel(reserved: number, grown: (capacity: number) => void): CallWheel {
  const heads = new Int32Array(ticks).fill(none)
  const tails = new Int32Array(ticks).fill(none)
  let capacity = 1_024
  while (capacity < reserved * 2) capacity *= 2
  let next = new Int32Array(capacity)
  let dues = new Float64Array(capacity)
  let fresh = reserved
  let freed = none
  let used = 0
  grown(capacity)

  function grow(): void {
    capacity *= 2
    const [nextBefore, duesBefore] = [next, dues]
    next = new Int32Array(capacity)
    dues = new Float64Array(capacity)
    next.set(nextBefore)
    dues.set(duesBefore)
    grown(capacity)
  }

  function link(slot: number, due: number): void {
    const at = due % ticks
    next[slot] = none
    const tail = tails[at] ?? none
    if (tail === none) heads[at] = slot
    else next[tail] = slot
    tails[at] = slot
  }

  return {
    get used() {
      return used
    },
    take() {
      used++
      if (freed !== none) {
        const slot = freed
        freed = next[slot] ?? none
        return slot
      }
      if (fresh === capacity) grow()
      return fresh++
    },
    free(slot) {
      used--
      next[slot] = freed
      freed = slot
    },
    push(slot, due) {
      dues[slot] = due
      link(slot, due)
    },
    drain(tick, visit) {
      const at = tick % ticks
      let slot = heads[at] ?? none
      heads[at] = none
      tails[at] = none
      while (slot !== none) {
        const after = next[slot] ?? none
        const due = dues[slot] ?? 0
        if (due > tick) link(slot, due)
        else visit(slot)
        slot = after
      }
    },
  }
}
