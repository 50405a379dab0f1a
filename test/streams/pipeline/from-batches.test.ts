import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../../src/kernel/outcome.ts'
import type { TakenItem } from '../../../src/ports/item-source.ts'
import { deliver } from '../../../src/streams/pipeline/deliver.ts'
import { type Batches, fromBatches } from '../../../src/streams/pipeline/from-batches.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

const delivered: Outcome<unknown> = { status: 'delivered', value: 'ok', attempts: 1, durationMs: 0 }
const refused = (reason: 'closing' | 'aborted' | 'rateLimited'): Outcome<unknown> => ({ status: 'refused', reason })
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('batches as a source', () => {
  test('a handler resolves when each item has its outcome, with the outcomes in its order', async () => {
    const batches = fromBatches<string>()
    const { taken, open } = reading(batches)
    open.request(3)
    let outcomes: readonly Outcome<unknown>[] | undefined
    const handling = batches.handle(['a', 'b', 'c']).then((all) => void (outcomes = all))
    await turn()
    expect(taken.map(({ item }) => item)).toEqual(['a', 'b', 'c'])
    void taken[2]?.settle(delivered)
    void taken[0]?.settle(refused('rateLimited'))
    void taken[0]?.settle(delivered)
    await turn()
    expect(outcomes).toBeUndefined()
    void taken[1]?.settle(delivered)
    await handling
    expect(outcomes).toEqual([refused('rateLimited'), delivered, delivered])
  })

  test('no more is given than was asked for, one batch after the other', async () => {
    const batches = fromBatches<number>()
    const { taken, open } = reading(batches)
    const [first, second] = [batches.handle([1, 2]), batches.handle([3, 4])]
    await turn()
    expect(taken).toEqual([])
    open.request(1)
    expect(taken).toEqual([])
    await turn()
    expect(taken.map(({ item }) => item)).toEqual([1])
    open.request(2)
    await turn()
    expect(taken.map(({ item }) => item)).toEqual([1, 2, 3])
    for (const { settle } of taken) void settle(delivered)
    expect(await first).toHaveLength(2)
    open.request(1)
    await turn()
    void taken[3]?.settle(delivered)
    expect(await second).toHaveLength(2)
    expect(await batches.handle([])).toEqual([])
  })

  test('what may be committed is told in order, and ends before what was handed back', async () => {
    const batches = fromBatches<number>()
    const { taken, open } = reading(batches)
    const resolved: number[] = []
    open.request(9)
    const handling = batches.handle([1, 2, 3, 4], {
      resolve(item) {
        resolved.push(item)
        throw new Error('nobody minds')
      },
    })
    await turn()
    void taken[1]?.settle(delivered)
    expect(resolved).toEqual([])
    void taken[0]?.settle(delivered)
    expect(resolved).toEqual([1, 2])
    void taken[2]?.settle(refused('closing'))
    void taken[3]?.settle(delivered)
    await handling
    expect(resolved).toEqual([1, 2])
  })

  test('is alive while it works, and never asked twice at once', async () => {
    const clock = virtualClock()
    const batches = fromBatches<number>({ clock })
    const { taken, open } = reading(batches)
    open.request(1)
    let beats = 0
    const heartbeat = async (): Promise<void> => {
      beats += 1
      await clock.sleep(2_000)
    }
    const handling = batches.handle([1], { heartbeat })
    await clock.advanceBy(2_999)
    expect(beats).toBe(0)
    await clock.advanceBy(1)
    expect(beats).toBe(1)
    await clock.advanceBy(10_000)
    expect(beats).toBe(3)
    await clock.advanceBy(2_000)
    void taken[0]?.settle(delivered)
    await clock.runUntil(handling)
    expect(clock.pendingTimers).toBe(0)
  })

  test('a heartbeat that fails takes the rest away, and waits for what is in hand', async () => {
    const clock = virtualClock()
    const batches = fromBatches<number>({ clock, heartbeatMs: 100 })
    const { taken, open } = reading(batches)
    open.request(2)
    const resolved: number[] = []
    let outcome = 'pending'
    const handling = batches.handle([1, 2, 3], {
      heartbeat: () => {
        throw new Error('rebalancing')
      },
      resolve: (item) => resolved.push(item),
    })
    const noted = handling.then(
      () => expect.unreachable(),
      (error: Error) => void (outcome = error.message),
    )
    await clock.advanceBy(100)
    open.request(9)
    await clock.settle()
    expect(taken.map(({ item }) => item)).toEqual([1, 2])
    void taken[0]?.settle(delivered)
    await clock.settle()
    expect(outcome).toBe('pending')
    void taken[1]?.settle(delivered)
    await noted
    expect(outcome).toBe('rebalancing')
    expect(resolved).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  test('hands back what nobody will take: before there is a reader, and when that leaves', async () => {
    const batches = fromBatches<number>()
    expect(await batches.handle([1])).toEqual([refused('closing')])
    const { taken, open } = reading(batches)
    open.request(1)
    const handling = batches.handle([1, 2])
    await turn()
    open.close()
    open.close()
    void taken[0]?.settle(delivered)
    expect(await handling).toEqual([delivered, refused('closing')])
    const again = reading(batches)
    again.open.request(1)
    const later = batches.handle([3])
    await turn()
    void again.taken[0]?.settle(delivered)
    expect(await later).toEqual([delivered])
  })

  test('are delivered: a handler as those of KafkaJS waits for its outcomes, and a drain hands back the rest', async () => {
    const clock = virtualClock()
    const batches = fromBatches<number>({ clock })
    const drain = new AbortController()
    const told: unknown[] = []
    const to = (item: number): Promise<unknown> =>
      item === 2 ? Promise.reject(Object.assign(new Error('gone'), { status: 410 })) : clock.sleep(100 * item)
    const pipeline$ = batches.items$.pipe(
      deliver({ to, concurrency: 2, maxWaiting: 1, signal: drain.signal, drainMs: 1_000, clock }),
    )
    pipeline$.subscribe({
      next: ({ item, status }) => told.push([item, status]),
      complete: () => told.push('complete'),
    })
    const offsets: number[] = []
    const first = batches.handle([1, 2, 3], { resolve: (offset) => offsets.push(offset) })
    const outcomes = await clock.runUntil(first)
    expect(outcomes).toMatchObject([{ status: 'delivered' }, { status: 'failed' }, { status: 'delivered' }])
    expect(offsets).toEqual([1, 2, 3])
    const second = batches.handle([4, 5, 6, 7, 8], { resolve: (offset) => offsets.push(offset) })
    await clock.settle()
    drain.abort()
    const rest = await clock.runUntil(second)
    const handedBack = { status: 'refused', reason: 'closing' }
    expect(rest).toMatchObject([{ status: 'delivered' }, { status: 'delivered' }, handedBack, handedBack, handedBack])
    expect(offsets).toEqual([1, 2, 3, 4, 5])
    expect(told).toContain('complete')
    expect(clock.pendingTimers).toBe(0)
  })

  test('are for deliver alone, and refuse options that cannot be meant', () => {
    const errors: string[] = []
    fromBatches<number>().items$.subscribe({ error: (error: Error) => void errors.push(error.message) })
    expect(errors).toEqual([expect.stringMatching(/^source: expected deliver directly behind it/)])
    expect(() => fromBatches({ heartbeatMs: 0 })).toThrow(/^fromBatches\.heartbeatMs/)
  })

  test('has one reader at a time', () => {
    const batches = fromBatches<number>()
    reading(batches)
    const other = reading(batches)
    expect(other.ends).toMatchObject([{ message: 'items$: expected one subscriber at a time' }])
    other.open.request(1)
    other.open.close()
  })
})

function reading<T>({ items$ }: Batches<T>) {
  const taken: TakenItem<T>[] = []
  const ends: unknown[] = []
  const open = items$.items.open({
    item: (item) => void taken.push(item),
    end: (error) => void ends.push(error),
  })
  return { taken, ends, open }
}
