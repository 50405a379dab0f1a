import { firstValueFrom, map, take, toArray } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { deliver } from '../../../src/streams/pipeline/deliver.ts'
import { fromAsyncIterable } from '../../../src/streams/pipeline/from-async-iterable.ts'
import type { TakenItem } from '../../../src/ports/item-source.ts'
import { recorded } from './recorded.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('an async iterable as a source', () => {
  test('is asked for what there is room for, one at a time', async () => {
    const iterable = watched([1, 2, 3, 4])
    const { items, ends, open } = reading(iterable)
    await turn()
    expect(iterable.pulls).toBe(0)
    open.request(2)
    open.request(1)
    await turn()
    expect(items).toEqual([1, 2, 3])
    expect(iterable).toMatchObject({ pulls: 3, mostAtOnce: 1 })
    open.request(5)
    await turn()
    expect(items).toEqual([1, 2, 3, 4])
    expect(ends).toEqual([undefined])
    open.close()
    expect(iterable.returns).toBe(0)
  })

  test('never gives from within request', async () => {
    const { items, open } = reading(watched([1]))
    open.request(1)
    expect(items).toEqual([])
    await turn()
    expect(items).toEqual([1])
  })

  test('gives its iterator back when nobody wants more, and drops what it was just giving', async () => {
    const iterable = watched([1, 2, 3])
    const { items, ends, open } = reading(iterable)
    open.request(1)
    await turn()
    open.request(1)
    open.close()
    open.close()
    open.request(1)
    await turn()
    expect(items).toEqual([1])
    expect(ends).toEqual([])
    expect(iterable.returns).toBe(1)
  })

  test("runs a generator's finally", async () => {
    let finished = 0
    async function* numbers(): AsyncGenerator<number> {
      try {
        for (let number = 1; ; number += 1) yield number
      } finally {
        finished += 1
      }
    }
    expect(await firstValueFrom(fromAsyncIterable(numbers()).pipe(take(3), toArray()))).toEqual([1, 2, 3])
    await turn()
    expect(finished).toBe(1)
  })

  test('ends with the error of the iterable, also one that throws as it is asked for its iterator', async () => {
    async function* breaking(): AsyncGenerator<number> {
      yield 1
      throw new Error('broken')
    }
    const { events } = recorded(fromAsyncIterable(breaking()).pipe(map((number) => number)))
    await turn()
    expect(events).toEqual([1, 'error: broken'])
    const hostile: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => {
        throw new Error('no iterator')
      },
    }
    const other = recorded(fromAsyncIterable(hostile))
    await turn()
    expect(other.events).toEqual(['error: no iterator'])
  })

  test('does not mind an iterator that cannot be given back', async () => {
    const stubborn: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: 1 }),
        return: () => Promise.reject(new Error('I stay')),
      }),
    }
    expect(await firstValueFrom(fromAsyncIterable(stubborn))).toBe(1)
    await turn()
  })

  test('iterates anew for each subscription', async () => {
    const iterable: AsyncIterable<number> = {
      async *[Symbol.asyncIterator]() {
        yield 1
        yield 2
      },
    }
    const source$ = fromAsyncIterable(iterable).pipe(toArray())
    expect(await firstValueFrom(source$)).toEqual([1, 2])
    expect(await firstValueFrom(source$)).toEqual([1, 2])
  })

  test('is pulled by deliver as far as there is room, and no further', async () => {
    const iterable = watched(Array.from({ length: 100 }, (_, index) => index))
    const release: (() => void)[] = []
    const to = (): Promise<void> => new Promise((resolve) => void release.push(resolve))
    const { events } = recorded(fromAsyncIterable(iterable).pipe(deliver({ to, concurrency: 3, maxWaiting: 2 })))
    await turn()
    expect(iterable.pulls).toBe(5)
    release[0]?.()
    await turn()
    expect(events).toMatchObject([{ status: 'delivered', item: 0 }])
    expect(iterable.pulls).toBe(6)
    for (let at = 1; at < 100; at += 1) {
      release[at]?.()
      // Each makes room for one more.
      await turn()
    }
    expect(events).toHaveLength(101)
    expect(events.at(-1)).toBe('complete')
  })

  test('refuses what is none', () => {
    expect(() => fromAsyncIterable([1] as never)).toThrow('iterable: expected an async iterable')
  })
})

function reading<T>(iterable: AsyncIterable<T>) {
  const items: T[] = []
  const ends: unknown[] = []
  const open = fromAsyncIterable(iterable).items.open({
    item: ({ item }: TakenItem<T>) => void items.push(item),
    end: (error) => void ends.push(error),
  })
  return { items, ends, open }
}

/** Counts what is asked of it. */
function watched<T>(values: readonly T[]) {
  let underWay = 0
  const counts = { pulls: 0, returns: 0, mostAtOnce: 0 }
  return Object.assign(counts, {
    [Symbol.asyncIterator]: (): AsyncIterator<T> => ({
      async next() {
        const index = counts.pulls
        counts.pulls += 1
        underWay += 1
        counts.mostAtOnce = Math.max(counts.mostAtOnce, underWay)
        await Promise.resolve()
        underWay -= 1
        const value = values[index]
        return value === undefined ? { done: true, value: undefined } : { done: false, value }
      },
      async return() {
        counts.returns += 1
        return { done: true, value: undefined }
      },
    }),
  })
}
