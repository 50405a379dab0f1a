import { Chain, type Chained } from './chain.ts'
import { longestBut, mostOf } from './longest-but.ts'

/** What waits in lanes. */
export interface Queued<E extends Queued<E>> extends Chained<E> {
  /** Among whom turns are shared. */
  readonly key: string
  /** Where it goes; each has lanes of its own. */
  readonly place: object
}

/**
 * Items that wait for their turn: in a lane for each key and place, first come, first served within a lane; the keys take
 * turns, and the lanes of a key among themselves. A lane whose first item cannot go stands aside until it is released.
 * What has a turn, or gives one up, costs the same however much waits.
 */
export class FairLanes<E extends Queued<E>> {
  /** Items that wait. */
  size = 0
  readonly #ordered: boolean
  readonly #keys = new Map<string, KeyLanes<E>>()
  readonly #ready = new Chain<KeyLanes<E>>()
  readonly #aside = new Map<object, Chain<Lane<E>>>()

  /** `ordered`: a key has one lane, and one item at a time that has its turn and has not left. */
  constructor(ordered: boolean) {
    this.#ordered = ordered
  }

  /** Nothing could have its turn now, unless something changes. */
  get isIdle(): boolean {
    return this.#ready.first === undefined
  }

  add(item: E): void {
    const lane = this.#laneOf(item)
    lane.items.push(item)
    this.#added(lane)
    if (lane.items.size === 1) this.#makeReady(lane)
  }

  /** One that had its turn is the first of its lane again. */
  putBack(item: E): void {
    const lane = this.#laneOf(item)
    lane.items.unshift(item)
    lane.busy = false
    this.#added(lane)
    this.#makeReady(lane)
  }

  /** Takes out one that waits. */
  remove(item: E): void {
    const lane = this.#keys.get(item.key)?.lanes.get(this.#placeOf(item))
    if (lane === undefined || item.chain !== lane.items) return
    const wasFirst = lane.items.first === item
    this.#take(lane, item)
    // The next one may have nothing in its way.
    if (wasFirst && lane.items.first !== undefined) this.#makeReady(lane)
    this.#tidy(lane)
  }

  /** The next whose turn it is. `inTheWay` says what keeps an item from going: its lane stands aside for that. */
  next(inTheWay: (item: E) => object | undefined): E | undefined {
    for (let key = this.#ready.shift(); key !== undefined; key = this.#ready.shift()) {
      const lane = key.ready.shift()
      const item = lane?.items.first
      const obstacle = item && inTheWay(item)
      if (lane !== undefined && obstacle !== undefined) this.#standAside(lane, obstacle)
      if (lane !== undefined && item !== undefined && obstacle === undefined) {
        this.#take(lane, item)
        lane.busy = this.#ordered
        if (!lane.busy && lane.items.first !== undefined) key.ready.push(lane)
      }
      if (key.ready.first !== undefined) this.#ready.push(key)
      if (item !== undefined && obstacle === undefined) {
        if (lane !== undefined) this.#tidy(lane)
        return item
      }
    }
    return undefined
  }

  /** One that had its turn has left: the next of its key may follow. */
  left(item: E): void {
    if (!this.#ordered) return
    const lane = this.#keys.get(item.key)?.lanes.get(this.#placeOf(item))
    if (lane === undefined) return
    lane.busy = false
    if (lane.items.first === undefined) this.#tidy(lane)
    else this.#makeReady(lane)
  }

  /** What was in the way of some is so no more; whether it was in the way of any. */
  release(obstacle: object): boolean {
    const aside = this.#aside.get(obstacle)
    for (let lane = aside?.first; lane !== undefined; lane = aside?.first) this.#makeReady(lane)
    return aside !== undefined
  }

  /** Who is to go for one more of `key`: the newest of the key that has the most; none where that is this one itself. */
  newestOfLongestBut(key: string): E | undefined {
    const longest = longestBut(this.#keys, ({ size }) => size, key, this.size)
    return longest && mostOf(longest.lanes.values(), ({ items }) => items.size)?.items.last
  }

  /** All that wait. */
  all(): readonly E[] {
    const all: E[] = []
    for (const { lanes } of this.#keys.values()) for (const { items } of lanes.values()) all.push(...items)
    return all
  }

  #placeOf(item: E): object {
    return this.#ordered ? everywhere : item.place
  }

  #laneOf(item: E): Lane<E> {
    const key = this.#keys.get(item.key) ?? new KeyLanes<E>(item.key)
    if (key.lanes.size === 0) this.#keys.set(item.key, key)
    const place = this.#placeOf(item)
    const lane = key.lanes.get(place) ?? new Lane<E>(key, place)
    key.lanes.set(place, lane)
    return lane
  }

  #added(lane: Lane<E>): void {
    lane.key.size += 1
    this.size += 1
  }

  #take(lane: Lane<E>, item: E): void {
    lane.items.remove(item)
    lane.key.size -= 1
    this.size -= 1
  }

  #makeReady(lane: Lane<E>): void {
    if (lane.busy || lane.chain === lane.key.ready) return
    this.#leaveAside(lane)
    lane.key.ready.push(lane)
    if (lane.key.chain === undefined) this.#ready.push(lane.key)
  }

  #standAside(lane: Lane<E>, obstacle: object): void {
    const aside = this.#aside.get(obstacle) ?? new Chain<Lane<E>>()
    this.#aside.set(obstacle, aside)
    lane.obstacle = obstacle
    aside.push(lane)
  }

  #leaveAside(lane: Lane<E>): void {
    const { obstacle } = lane
    if (obstacle === undefined) return
    lane.obstacle = undefined
    lane.chain?.remove(lane)
    if (this.#aside.get(obstacle)?.size === 0) this.#aside.delete(obstacle)
  }

  /** Forgets a lane in which nothing is, and a key that has no lane. */
  #tidy(lane: Lane<E>): void {
    if (lane.items.first !== undefined || lane.busy) return
    const { key } = lane
    this.#leaveAside(lane)
    key.ready.remove(lane)
    key.lanes.delete(lane.place)
    if (key.ready.first === undefined) this.#ready.remove(key)
    if (key.lanes.size === 0) this.#keys.delete(key.name)
  }
}

const everywhere = Object.freeze({})

class KeyLanes<E extends Queued<E>> implements Chained<KeyLanes<E>> {
  chain: Chain<KeyLanes<E>> | undefined
  before: KeyLanes<E> | undefined
  after: KeyLanes<E> | undefined
  readonly name: string
  readonly lanes = new Map<object, Lane<E>>()
  /** Those whose first item may try to go. */
  readonly ready = new Chain<Lane<E>>()
  /** Items that wait in all of them. */
  size = 0

  constructor(name: string) {
    this.name = name
  }
}

class Lane<E extends Queued<E>> implements Chained<Lane<E>> {
  chain: Chain<Lane<E>> | undefined
  before: Lane<E> | undefined
  after: Lane<E> | undefined
  readonly key: KeyLanes<E>
  readonly place: object
  readonly items = new Chain<E>()
  /** Its key is ordered, and one of it has its turn. */
  busy = false
  /** What it stands aside for. */
  obstacle: object | undefined

  constructor(key: KeyLanes<E>, place: object) {
    this.key = key
    this.place = place
  }
}
