import type { Timer } from '../ports/clock.ts'

export interface VirtualTimer extends Timer {
  readonly dueMs: number
  readonly order: number
  readonly run: () => void
}

export interface TimerQueue {
  readonly size: number
  /** Grows with every timer that is started or cleared. */
  readonly uses: number
  add(run: () => void, dueMs: number): VirtualTimer
  remove(timer: Timer): void
  /** Takes the next timer that is due by then, out of the queue. */
  takeUntil(dueMs: number): VirtualTimer | undefined
}

/** Timers in the order in which they fire: a binary heap, from which cleared ones are dropped when they come up. */
export function timerQueue(): TimerQueue {
  const heap: VirtualTimer[] = []
  const live = new Set<Timer>()
  let created = 0
  let cleared = 0
  return {
    get size() {
      return live.size
    },
    get uses() {
      return created + cleared
    },
    add(run: () => void, dueMs: number): VirtualTimer {
      const timer: VirtualTimer = { dueMs, order: (created += 1), run, unref: () => timer }
      live.add(timer)
      heap.push(timer)
      siftUp(heap, heap.length - 1)
      return timer
    },
    remove(timer: Timer): void {
      if (!live.delete(timer)) return
      cleared += 1
      if (heap.length > 64 && heap.length > 4 * live.size) dropCleared(heap, live)
    },
    takeUntil(dueMs: number): VirtualTimer | undefined {
      for (let first = heap[0]; first !== undefined; first = heap[0]) {
        const isLive = live.has(first)
        if (isLive && first.dueMs > dueMs) return undefined
        removeFirst(heap)
        if (isLive && live.delete(first)) return first
      }
      return undefined
    },
  }
}

/** Keeps memory at the number of live timers, also where timers are started and cleared for ever. */
function dropCleared(heap: VirtualTimer[], live: ReadonlySet<Timer>): void {
  const kept = heap.filter((timer) => live.has(timer)).toSorted((one, other) => (isBefore(one, other) ? -1 : 1))
  heap.length = 0
  for (const timer of kept) heap.push(timer)
}

function isBefore(one: VirtualTimer | undefined, other: VirtualTimer | undefined): boolean {
  if (one === undefined || other === undefined) return one !== undefined
  return one.dueMs === other.dueMs ? one.order < other.order : one.dueMs < other.dueMs
}

function siftUp(heap: VirtualTimer[], from: number): void {
  for (let index = from; index > 0;) {
    const parent = (index - 1) >> 1
    if (!isBefore(heap[index], heap[parent])) return
    swap(heap, index, parent)
    index = parent
  }
}

function removeFirst(heap: VirtualTimer[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  heap[0] = last
  for (let index = 0; ;) {
    const [left, right] = [2 * index + 1, 2 * index + 2]
    const child = isBefore(heap[right], heap[left]) ? right : left
    if (!isBefore(heap[child], heap[index])) return
    swap(heap, index, child)
    index = child
  }
}

function swap(heap: VirtualTimer[], one: number, other: number): void {
  const [atOne, atOther] = [heap[one], heap[other]]
  if (atOne === undefined || atOther === undefined) return
  heap[one] = atOther
  heap[other] = atOne
}
