/** What a fleet's calls came to, and when. */
export interface Tally {
  calls: number
  reachedWhileDead: number
  refused: number
  probes: number
  delivered: number
  late: number
  lost: number
  readonly lanes: { readonly [K in Lane]: Int32Array }
  mark(lane: Lane, tick: number): void
}

/** `delivered` and `failed` are attempts that reached the dependency; `redelivered` are dead letters. */
export type Lane = 'delivered' | 'failed' | 'refused' | 'redelivered'

/** How many slices a timeline has. */
const buckets = 400

export function bucketMsFor(untilMs: number): number {
  return Math.max(1, Math.ceil(untilMs / buckets))
}

export function emptyTally(untilMs: number, bucketMs: number): Tally {
  const size = Math.ceil(untilMs / bucketMs)
  const lanes = {
    delivered: new Int32Array(size),
    failed: new Int32Array(size),
    refused: new Int32Array(size),
    redelivered: new Int32Array(size),
  }
  return {
    calls: 0,
    reachedWhileDead: 0,
    refused: 0,
    probes: 0,
    delivered: 0,
    late: 0,
    lost: 0,
    lanes,
    mark(lane, tick) {
      const at = Math.floor(tick / bucketMs)
      const counts = lanes[lane]
      if (at < counts.length) counts[at] = (counts[at] ?? 0) + 1
    },
  }
}
