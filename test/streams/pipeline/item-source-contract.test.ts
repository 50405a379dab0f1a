import { describe, expect, test } from 'vitest'
import type { ItemSource } from '../../../src/ports/item-source.ts'
import { fromAsyncIterable } from '../../../src/streams/pipeline/from-async-iterable.ts'
import { fromBatches } from '../../../src/streams/pipeline/from-batches.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'

async function* each(items: readonly string[]): AsyncGenerator<string> {
  yield* items
}

/** A batch is handed over when there is a reader. */
function batchOf(items: readonly string[]): ItemSource<string> {
  const batches = fromBatches<string>()
  return {
    open(sink) {
      const open = batches.items$.items.open(sink)
      void batches.handle(items)
      return open
    },
  }
}

describe('an async iterable', () => portContracts.itemSource(test, (items) => fromAsyncIterable(each(items)).items))
describe('batches', () => portContracts.itemSource(test, batchOf))

describe('the contract of item sources is broken by a source', () => {
  const plants: readonly [
    what: string,
    sentence: RegExp,
    change: (source: ItemSource<string>) => ItemSource<string>,
  ][] = [
    [
      'that gives before it is asked',
      /before it is asked/,
      ({ open }) => ({
        open(sink) {
          const opened = open(sink)
          opened.request(1)
          return opened
        },
      }),
    ],
    [
      'that gives one more than it was asked for',
      /no more than was asked for/,
      ({ open }) => ({
        open(sink) {
          const { request, close } = open(sink)
          return { request: (count) => request(count + 1), close }
        },
      }),
    ],
    [
      'that gives an item twice',
      /each of its items once/,
      ({ open }) => ({
        open: ({ item, end }) =>
          open({
            item(taken) {
              item(taken)
              if (taken.item === 'c') item(taken)
            },
            end,
          }),
      }),
    ],
    [
      'that rejects when it is told twice',
      /never rejects/,
      ({ open }) => ({
        open: ({ item, end }) =>
          open({
            item(taken) {
              let told = 0
              const settle = () => (told++ > 0 ? Promise.reject(new Error('told already')) : undefined)
              item({ item: taken.item, settle })
            },
            end,
          }),
      }),
    ],
    [
      'that goes on when it was closed',
      /once it was closed/,
      ({ open }) => ({ open: (sink) => ({ ...open(sink), close: () => {} }) }),
    ],
  ]

  test.each(plants)('%s', async (_what, sentence, change) => {
    const broken: string[] = []
    const trying: Promise<void>[] = []
    portContracts.itemSource(
      (name, run) => trying.push(run().catch(() => void broken.push(name))),
      (items) => change(batchOf(items)),
    )
    await Promise.all(trying)
    expect(broken).toContainEqual(expect.stringMatching(sentence))
  })
})
