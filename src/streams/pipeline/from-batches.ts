import { z } from 'zod'
import { ConfigError } from '../../kernel/errors.ts'
import { durationMs, parseOptions } from '../../kernel/options.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import { type Clock, systemClock } from '../../ports/clock.ts'
import type { ItemSink, ItemSource, OpenItems } from '../../ports/item-source.ts'
import { type TimeAndChance, timeAndChanceFields } from '../time-and-chance.ts'
import { type Batch, newBatch } from './batch.ts'
import { SourceObservable } from './source-observable.ts'

export interface BatchesOptions extends Pick<TimeAndChance, 'clock'> {
  /** How often `heartbeat` is called while a batch is being worked on, in ms. Default 3,000. */
  readonly heartbeatMs?: number | undefined
}

export interface BatchHandling<T> {
  /**
   * Called every `heartbeatMs` until all of the batch have their outcome, never while an earlier call is pending. When it
   * throws or rejects, whoever handed the batch over does not own it any more: what was not yet taken is `aborted`, what
   * was is waited for, and `handle` rejects with its error.
   */
  readonly heartbeat?: (() => unknown) | undefined
  /**
   * Called for one after the other in the order of the batch, when it and all before it have their outcome; not for one
   * that was handed back (`refused` by `closing`, `aborted` or `overCapacity`) nor for those behind it. What may be
   * committed. What it throws is ignored.
   */
  readonly resolve?: ((item: T, outcome: Outcome<unknown>) => unknown) | undefined
}

/** Batches that somebody pushes, as a source that is asked. */
export interface Batches<T> {
  /** The items of all batches, one batch after the other. One subscriber at a time, and that is `deliver`. */
  readonly items$: SourceObservable<T>
  /**
   * Hands a batch over, and resolves when each item has its outcome: those, in the order of the batch. While nobody is
   * subscribed to `items$`, and when they leave, what was not taken is `refused`, `closing`. Rejects only as `heartbeat` does.
   */
  handle(items: readonly T[], handling?: BatchHandling<T>): Promise<readonly Outcome<unknown>[]>
}

export const batchesDefaults: { readonly heartbeatMs: number } = Object.freeze({ heartbeatMs: 3_000 })

/**
 * A bridge from handlers that are given a batch, as those of KafkaJS are, to `deliver`: a handler that waits is what
 * pushes back.
 *
 * ```text
 *   handle([1, 2, 3])   ------------------------------> resolves with the outcomes of 1, 2, 3
 *   items$              1  2  3
 *   deliver({ … })          2'   1'  3'
 *   resolve                      1 2 3                  in their order, whatever the order of the outcomes
 *   heartbeat           ----h----h----h----
 * ```
 * Nothing is kept but the batches that callers are waiting for.
 * @throws ConfigError
 * @example
 * const orders = fromBatches<KafkaMessage>()
 * orders.items$.pipe(deliver({ through: shop, to: (message, call) => post(message, call.signal) })).subscribe()
 * await consumer.run({
 *   eachBatchAutoResolve: false,
 *   eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
 *     await orders.handle(batch.messages, { heartbeat, resolve: ({ offset }) => resolveOffset(offset) })
 *   },
 * })
 */
export function fromBatches<T>(options: BatchesOptions = {}): Batches<T> {
  const { clock = systemClock, heartbeatMs = batchesDefaults.heartbeatMs } = parseOptions(
    schema,
    options,
    'fromBatches',
  )
  const desk = newDesk<T>()
  return {
    items$: new SourceObservable<T>(desk.source),
    async handle(items, { heartbeat, resolve } = {}) {
      const batch = newBatch(items, (item, outcome) => unheeded(() => resolve?.(item, outcome)))
      desk.add(batch)
      const stopBeating =
        heartbeat && keepBeating({ clock, heartbeatMs, heartbeat, onLost: (error) => batch.abandon(error) })
      try {
        return await batch.done
      } finally {
        stopBeating?.()
        desk.remove(batch)
      }
    },
  }
}

const schema: z.ZodType<BatchesOptions> = z.strictObject({
  heartbeatMs: durationMs.optional(),
  clock: timeAndChanceFields.clock,
})

/** Where batches and whoever asks for items meet. */
function newDesk<T>() {
  const batches = new Set<Batch<T>>()
  let reader: { readonly sink: ItemSink<T>; wanted: number } | undefined
  let isGiving = false

  const give = (): void => {
    isGiving = false
    for (const batch of batches) {
      while (reader !== undefined && reader.wanted > 0) {
        const taken = batch.take()
        if (taken === undefined) break
        reader.wanted -= 1
        reader.sink.item(taken)
      }
    }
  }
  /** In a later turn, since nothing may be given from within `request`. */
  const giveSoon = (): void => {
    if (isGiving) return
    isGiving = true
    queueMicrotask(give)
  }
  const source: ItemSource<T> = {
    open(sink): OpenItems {
      if (reader !== undefined) {
        sink.end(new ConfigError('items$', 'expected one subscriber at a time'))
        return { request: () => {}, close: () => {} }
      }
      const own = { sink, wanted: 0 }
      reader = own
      return {
        request(count) {
          own.wanted += count
          giveSoon()
        },
        close() {
          if (reader !== own) return
          reader = undefined
          for (const batch of batches) batch.refuse('closing')
        },
      }
    },
  }
  return {
    source,
    add(batch: Batch<T>): void {
      batches.add(batch)
      if (reader === undefined) batch.refuse('closing')
      else giveSoon()
    },
    remove: (batch: Batch<T>): void => void batches.delete(batch),
  }
}

interface Beating {
  readonly clock: Clock
  readonly heartbeatMs: number
  readonly heartbeat: () => unknown
  readonly onLost: (error: unknown) => void
}

/** Somebody awaits the batch, so its timer keeps the process alive. */
function keepBeating({ clock, heartbeatMs, heartbeat, onLost }: Beating): () => void {
  let isOver = false
  const beat = async (): Promise<void> => {
    try {
      await heartbeat()
      if (!isOver) timer = clock.setTimeout(() => void beat(), heartbeatMs, { keepAlive: true })
    } catch (error) {
      if (!isOver) onLost(error)
    }
  }
  let timer = clock.setTimeout(() => void beat(), heartbeatMs, { keepAlive: true })
  return () => {
    isOver = true
    clock.clearTimeout(timer)
  }
}
