/**
 * Of lanes by key, the longest, which is to give up a place for one more of `key`; `undefined` where that one itself is to
 * go, since no other lane would then be longer. `total` is what waits in all of them.
 */
export function longestBut<L>(
  lanes: ReadonlyMap<string, L>,
  sizeOf: (lane: L) => number,
  key: string,
  total: number,
): L | undefined {
  const lane = lanes.get(key)
  const own = lane === undefined ? 0 : sizeOf(lane)
  // At the average or above it: the flood itself, for which nobody need be looked for.
  if (own * lanes.size >= total) return undefined
  const longest = mostOf(lanes.values(), sizeOf)
  return longest !== undefined && sizeOf(longest) > own + 1 ? longest : undefined
}

export function mostOf<L>(all: Iterable<L>, sizeOf: (one: L) => number): L | undefined {
  let most: L | undefined
  let size = 0
  for (const one of all) {
    if (sizeOf(one) <= size) continue
    most = one
    size = sizeOf(one)
  }
  return most
}
