import { ConfigError } from '../../kernel/errors.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import type { ItemSink, ItemSource, OpenItems } from '../../ports/item-source.ts'
import { SourceObservable } from './source-observable.ts'

/**
 * Makes an Observable of an async iterable: a generator, a stream of Node's, the pages of a query. It pushes back: with
 * `deliver` directly behind it, `next()` is called only while there is room, and never while another is under way. With
 * anything else behind it, one `next()` follows the other, as fast as they come.
 *
 * ```text
 *   iterable           1----2-----3--------(done)
 *   deliver, room 1    1'---------2'---3'---|        asked for 2 when 1 had its outcome
 *   map                1'---2'----3'--------|
 * ```
 * When nobody wants more, the iterator's `return()` is called, so that a generator's `finally` runs; an error of the
 * iterable ends it, after what is in flight. Each subscription iterates anew. An iterable cannot take anything back: what
 * it is just giving when it is closed, and what is refused, is gone from it.
 * @throws ConfigError
 * @example fromAsyncIterable(rowsOf(cursor)).pipe(deliver({ through: smtp, to: (row, call) => send(row, call.signal) }))
 */
export function fromAsyncIterable<T>(iterable: AsyncIterable<T>): SourceObservable<T> {
  if (!isAsyncIterable(iterable)) throw new ConfigError('iterable', 'expected an async iterable')
  return new SourceObservable(itemsOf(iterable), { withoutDeliver: 'stream' })
}

function isAsyncIterable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, Symbol.asyncIterator) === 'function'
}

function itemsOf<T>(iterable: AsyncIterable<T>): ItemSource<T> {
  return { open: (sink) => openIterator(iterable, sink) }
}

function openIterator<T>(iterable: AsyncIterable<T>, sink: ItemSink<T>): OpenItems {
  let iterator: AsyncIterator<T> | undefined
  let wanted = 0
  let pulling = false
  let over = false

  const pull = async (): Promise<void> => {
    pulling = true
    try {
      iterator ??= iterable[Symbol.asyncIterator]()
      while (wanted > 0 && !over) {
        wanted -= 1
        // The next is asked for when this one came: that is how it pushes back.
        const step = await iterator.next()
        if (over) return
        if (step.done === true) return finish()
        sink.item({ item: step.value, settle: () => {} })
      }
    } catch (error) {
      if (!over) finish(error)
    } finally {
      pulling = false
    }
  }
  const finish = (error?: unknown): void => {
    over = true
    sink.end(error)
  }
  return {
    request(count) {
      wanted += count
      if (!pulling && !over) void pull()
    },
    close() {
      if (over) return
      over = true
      unheeded(() => iterator?.return?.())
    },
  }
}
