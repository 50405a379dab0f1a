import { Chain, type Chained } from './chain.ts'
import { longestBut } from './longest-but.ts'

/** An item that waits. */
export interface Waiting<T> extends Chained<Waiting<T>> {
  readonly item: T
  readonly lane: Lane<T>
}

/** Items of one key, the oldest first. */
export interface Lane<T> {
  readonly key: string
  readonly items: Chain<Waiting<T>>
}

export interface FairRoom<T> {
  /** All that wait. */
  readonly size: number
  /** Takes an item in at the end of its key's lane, if need be in the place of another; `undefined` when it is itself turned away. */
  enter(key: string, item: T): Waiting<T> | undefined
  leave(waiting: Waiting<T>): void
  /** All leave; gives them, those of a key in their order. */
  empty(): readonly T[]
}

/**
 * Room for `max` items in lanes by key. When it is full, the one that goes is the newest of the longest lane: a key that
 * floods takes the room of its own items, and not that of others. The first of a lane is never turned away for another.
 */
export function fairRoom<T>(max: number, turnedAway: (item: T, key: string) => void): FairRoom<T> {
  const lanes = new Map<string, Lane<T>>()
  let size = 0

  const put = (key: string, item: T): Waiting<T> => {
    const lane = lanes.get(key) ?? { key, items: new Chain<Waiting<T>>() }
    lanes.set(key, lane)
    const waiting: Waiting<T> = { item, lane, chain: undefined, before: undefined, after: undefined }
    lane.items.push(waiting)
    size += 1
    return waiting
  }

  const leave = (waiting: Waiting<T>): void => {
    const { lane } = waiting
    if (waiting.chain !== lane.items) return
    lane.items.remove(waiting)
    size -= 1
    if (lane.items.size === 0) lanes.delete(lane.key)
  }

  return {
    get size() {
      return size
    },
    enter(key, item) {
      if (size < max) return put(key, item)
      const evicted = longestBut(lanes, ({ items }) => items.size, key, size)?.items.last
      if (evicted === undefined) {
        turnedAway(item, key)
        return undefined
      }
      leave(evicted)
      const waiting = put(key, item)
      turnedAway(evicted.item, evicted.lane.key)
      return waiting
    },
    leave,
    empty() {
      const items: T[] = []
      for (const lane of lanes.values())
        for (let { first } = lane.items; first !== undefined; { first } = lane.items) {
          items.push(first.item)
          leave(first)
        }
      return items
    },
  }
}
