import { map } from 'rxjs'
import { describe, expect, test } from 'vitest'
import type { ItemSink, ItemSource } from '../../../src/ports/item-source.ts'
import type { Outcome } from '../../../src/kernel/outcome.ts'
import { fromItemSource, SourceObservable } from '../../../src/streams/pipeline/source-observable.ts'
import { recorded } from './recorded.ts'

describe('an Observable of an ItemSource', () => {
  test('carries the source for whoever asks it', () => {
    const { source } = handFed<number>()
    const items$ = fromItemSource(source)
    expect(items$).toBeInstanceOf(SourceObservable)
    expect(items$.items).toBe(source)
    expect(items$.pipe(map((item) => item))).not.toBeInstanceOf(SourceObservable)
  })

  test('is an error to whoever would never say what became of its items', () => {
    const fed = handFed<number>()
    const { events } = recorded(fromItemSource(fed.source).pipe(map((item) => item + 1)))
    expect(events).toEqual([
      expect.stringMatching(/^error: source: expected deliver directly behind it: map what it gives where it is made$/),
    ])
    expect(fed.requested).toBe(0)
  })

  test('streams one by one where it may: the next is asked for when the one before is settled', async () => {
    const fed = handFed<number>()
    const { events, subscription } = recorded(fromItemSource(fed.source, { withoutDeliver: 'stream' }))
    expect(fed.requested).toBe(1)
    fed.give(1)
    expect(events).toEqual([1])
    await Promise.resolve()
    expect(fed.requested).toBe(2)
    expect(fed.outcomes).toMatchObject([{ status: 'delivered' }])
    subscription.unsubscribe()
    expect(fed.closed).toBe(1)
  })

  test('hands back what comes when nobody is there any more', () => {
    const fed = handFed<number>()
    const { events, subscription } = recorded(fromItemSource(fed.source, { withoutDeliver: 'stream' }))
    subscription.unsubscribe()
    fed.give(1)
    expect(events).toEqual([])
    expect(fed.outcomes).toMatchObject([{ status: 'refused', reason: 'closing' }])
  })

  test('ends as its source does, also when that ends at once', () => {
    const fed = handFed<number>()
    const ended = recorded(fromItemSource(fed.source, { withoutDeliver: 'stream' }))
    fed.end(new Error('gone'))
    expect(ended.events).toEqual(['error: gone'])
    const atOnce: ItemSource<number> = {
      open(sink) {
        sink.end()
        return { request: () => expect.unreachable(), close: () => {} }
      },
    }
    expect(recorded(fromItemSource(atOnce, { withoutDeliver: 'stream' })).events).toEqual(['complete'])
  })

  test('refuses what is no source', () => {
    expect(() => fromItemSource({} as never)).toThrow('items: expected an ItemSource: { open(sink) }')
    expect(() => fromItemSource(handFed<number>().source, { withoutDeliver: 'perhaps' } as never)).toThrow(
      /^fromItemSource\.withoutDeliver/,
    )
  })
})

/** A source that gives what the test says, when it says. */
function handFed<T>() {
  let sink: ItemSink<T> | undefined
  const fed = {
    requested: 0,
    closed: 0,
    outcomes: new Array<Outcome<unknown>>(),
    give: (item: T) => sink?.item({ item, settle: (outcome) => void fed.outcomes.push(outcome) }),
    end: (error?: unknown) => sink?.end(error),
  }
  const source: ItemSource<T> = {
    open(given) {
      sink = given
      return { request: (count) => void (fed.requested += count), close: () => void (fed.closed += 1) }
    },
  }
  return Object.assign(fed, { source })
}
