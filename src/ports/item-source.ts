import type { Outcome } from '../kernel/outcome.ts'

/**
 * Where items come from that are asked for and not pushed: a consumer of a stream, an iterable, the rows of a store.
 * `deliver` asks for as many as it has room for, and says what became of each.
 */
export interface ItemSource<T> {
  /** Begins, for one reader. Gives nothing before it is asked. */
  open(sink: ItemSink<T>): OpenItems
}

/** The reader. */
export interface ItemSink<T> {
  /** One of those that were asked for. Never called from within `request`. */
  item(taken: TakenItem<T>): void
  /** Nothing more comes; with an error when it broke. What was given before is still to be settled. */
  end(error?: unknown): void
}

/** An item, and the duty to say what became of it. */
export interface TakenItem<T> {
  readonly item: T
  /**
   * Says what became of it, once; a later call does nothing. Resolves when that is safe where it came from: acknowledged,
   * recorded. Never rejects. `refused` with `closing`, `aborted` or `overCapacity` hands it back as it was.
   */
  settle(outcome: Outcome<unknown>): Promise<void> | void
}

export interface OpenItems {
  /** So many more may come; adds to what was asked before and has not come. */
  request(count: number): void
  /** Nothing more is to come. What was given stays to be settled. Safe to call twice. */
  close(): void
}
