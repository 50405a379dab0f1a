import { Observable, type Subscriber } from 'rxjs'
import { z } from 'zod'
import { ConfigError } from '../../kernel/errors.ts'
import { hasMethods, parseOptions } from '../../kernel/options.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { ItemSource, OpenItems, TakenItem } from '../../ports/item-source.ts'

export interface SourceOptions {
  /**
   * What a subscriber meets that is not `deliver`, and so never says what became of an item: `refuse`, an error with
   * `ConfigError`; or `stream`, the items one after the other, each taken as delivered once it was emitted. Default `refuse`.
   */
  readonly withoutDeliver?: 'refuse' | 'stream' | undefined
}

/**
 * An Observable of items that are asked for. `deliver`, put directly behind it, takes no more than it has room for, and
 * tells the source what became of each. Any operator between the two makes it an Observable like any other, which
 * `withoutDeliver` is about. A class, since it is by this that `deliver` knows it.
 */
export class SourceObservable<T> extends Observable<T> {
  readonly items: ItemSource<T>

  constructor(items: ItemSource<T>, { withoutDeliver = 'refuse' }: SourceOptions = {}) {
    super((subscriber) => {
      if (withoutDeliver === 'stream') return streamOneByOne(items, subscriber)
      subscriber.error(
        new ConfigError('source', 'expected deliver directly behind it: map what it gives where it is made'),
      )
      return undefined
    })
    this.items = items
  }
}

/**
 * Makes an Observable of an `ItemSource` of your own: the rows of a table, the messages of a queue.
 *
 * ```text
 *   items              request(2)    1  2       request(1)    3         end
 *   deliver({ … })     --------------------1'-------------2'-----3'-----|
 *   settled with the outcome               1              2      3
 * ```
 * @throws ConfigError
 * @example fromItemSource(rows).pipe(deliver({ through: smtp, to: (row, call) => send(row, call.signal) }))
 */
export function fromItemSource<T>(items: ItemSource<T>, options: SourceOptions = {}): SourceObservable<T> {
  if (!hasMethods(items, ['open'])) throw new ConfigError('items', 'expected an ItemSource: { open(sink) }')
  return new SourceObservable(items, parseOptions(schema, options, 'fromItemSource'))
}

const schema: z.ZodType<SourceOptions> = z.strictObject({ withoutDeliver: z.enum(['refuse', 'stream']).optional() })

/** Whoever subscribes has the item once it was emitted; there is nothing more to know of it. */
const emitted: Outcome<undefined> = Object.freeze({ status: 'delivered', value: undefined, attempts: 1, durationMs: 0 })
const closing: Outcome<never> = Object.freeze({ status: 'refused', reason: 'closing' })

function streamOneByOne<T>(items: ItemSource<T>, subscriber: Subscriber<T>): () => void {
  const emit = async (taken: TakenItem<T>): Promise<void> => {
    // Unsubscribed while it was on its way: it goes back.
    if (subscriber.closed) return taken.settle(closing)
    subscriber.next(taken.item)
    await taken.settle(emitted)
    if (!subscriber.closed) open.request(1)
  }
  const open: OpenItems = items.open({
    item: (taken) => void emit(taken),
    end: (error) => (error === undefined ? subscriber.complete() : subscriber.error(error)),
  })
  if (!subscriber.closed) open.request(1)
  return () => open.close()
}
