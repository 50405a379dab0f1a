import type { Window } from './breaker-options.ts'

/** How many slices a window over time has; it covers between `1 - 1/slices` and the whole of its length. */
export const timeSlices = 20

/** The counts of a window, by kind of outcome. */
export interface OutcomeWindow {
  readonly calls: number
  readonly failures: number
  readonly slow: number
  /** Counts one outcome. `nowMs` is monotonic; only a window over time looks at it. O(1). */
  record(failed: boolean, slow: boolean, nowMs: number): void
  /** Counts what others saw, in no order that is known. At most its size for a window over calls. */
  add(counts: { readonly calls: number; readonly failures: number; readonly slow: number }, nowMs: number): void
}

export function outcomeWindow(over: Window): OutcomeWindow {
  return 'calls' in over ? new CountWindow(over.calls) : new TimeWindow(over.ms)
}

const failedBit = 1
const slowBit = 2

/** The last `size` outcomes in a ring of bytes. A class, since it is on the hot path. */
class CountWindow implements OutcomeWindow {
  calls = 0
  failures = 0
  slow = 0
  readonly #ring: Uint8Array
  #next = 0

  constructor(size: number) {
    this.#ring = new Uint8Array(size)
  }

  record(failed: boolean, slow: boolean): void {
    const ring = this.#ring
    if (this.calls === ring.length) {
      const oldest = ring[this.#next] ?? 0
      this.failures -= oldest & failedBit
      this.slow -= (oldest & slowBit) >> 1
    } else {
      this.calls++
    }
    ring[this.#next] = (failed ? failedBit : 0) | (slow ? slowBit : 0)
    this.failures += failed ? 1 : 0
    this.slow += slow ? 1 : 0
    this.#next = this.#next + 1 === ring.length ? 0 : this.#next + 1
  }

  /** The good news first, so that of too many the bad stay. */
  add({ calls, failures, slow }: { readonly calls: number; readonly failures: number; readonly slow: number }): void {
    const total = Math.min(calls, this.#ring.length)
    for (let left = total; left > 0; left--) this.record(left <= failures, left <= slow)
  }
}

/** The outcomes of the current slice of time and of those before it, together at most `lengthMs`; sums in typed arrays. */
class TimeWindow implements OutcomeWindow {
  calls = 0
  failures = 0
  slow = 0
  readonly #sliceMs: number
  readonly #sums = new Uint32Array(timeSlices * 3)
  /** The number of the slice that was written last, counted from time 0. */
  #current = -Infinity

  constructor(lengthMs: number) {
    this.#sliceMs = lengthMs / timeSlices
  }

  record(failed: boolean, slow: boolean, nowMs: number): void {
    this.#count(1, failed ? 1 : 0, slow ? 1 : 0, nowMs)
  }

  add(
    { calls, failures, slow }: { readonly calls: number; readonly failures: number; readonly slow: number },
    nowMs: number,
  ): void {
    this.#count(calls, failures, slow, nowMs)
  }

  #count(calls: number, failures: number, slow: number, nowMs: number): void {
    const slice = Math.floor(nowMs / this.#sliceMs)
    if (slice > this.#current) this.#slideTo(slice)
    const at = (((slice % timeSlices) + timeSlices) % timeSlices) * 3
    this.calls += calls
    this.failures += failures
    this.slow += slow
    const sums = this.#sums
    sums[at] = (sums[at] ?? 0) + calls
    sums[at + 1] = (sums[at + 1] ?? 0) + failures
    sums[at + 2] = (sums[at + 2] ?? 0) + slow
  }

  #slideTo(slice: number): void {
    const passed = slice - this.#current
    if (passed >= timeSlices) {
      this.#sums.fill(0)
      this.calls = this.failures = this.slow = 0
    } else {
      for (let gone = this.#current + 1; gone <= slice; gone++) this.#clear(gone)
    }
    this.#current = slice
  }

  #clear(slice: number): void {
    const sums = this.#sums
    const at = (((slice % timeSlices) + timeSlices) % timeSlices) * 3
    this.calls -= sums[at] ?? 0
    this.failures -= sums[at + 1] ?? 0
    this.slow -= sums[at + 2] ?? 0
    sums.fill(0, at, at + 3)
  }
}
