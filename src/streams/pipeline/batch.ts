import type { Outcome } from '../../kernel/outcome.ts'
import type { TakenItem } from '../../ports/item-source.ts'

/** A batch that is being worked on: who of it was taken, what became of each, and how far it may be committed. */
export interface Batch<T> {
  /** Settles when each item has its outcome; rejects then if it was abandoned. */
  readonly done: Promise<readonly Outcome<unknown>[]>
  /** The next that was not taken. */
  take(): TakenItem<T> | undefined
  /** What was not taken is not to be. */
  refuse(reason: 'closing' | 'aborted'): void
  /** It belongs to somebody else by now: nothing more is taken or committed. */
  abandon(error: unknown): void
}

/** `resolved` hears of one after the other, in their order, up to the first that was handed back. */
export function newBatch<T>(items: readonly T[], resolved: (item: T, outcome: Outcome<unknown>) => void): Batch<T> {
  const outcomes = new Map<number, Outcome<unknown>>()
  let taken = 0
  let committed = 0
  let lost: { readonly error: unknown } | undefined
  let end: () => void = () => {}

  const settle = (index: number, outcome: Outcome<unknown>): void => {
    if (outcomes.has(index)) return
    outcomes.set(index, outcome)
    commit()
    if (outcomes.size === items.length) end()
  }
  const commit = (): void => {
    for (let next = outcomes.get(committed); lost === undefined && next !== undefined; next = outcomes.get(committed)) {
      if (isHandedBack(next)) return
      committed += 1
      resolved(items[committed - 1] as T, next)
    }
  }
  const take = (): TakenItem<T> | undefined => {
    if (taken === items.length) return undefined
    const index = taken
    taken += 1
    return { item: items[index] as T, settle: (outcome) => settle(index, outcome) }
  }
  const refuse = (reason: 'closing' | 'aborted'): void => {
    for (let left = take(); left !== undefined; left = take()) void left.settle({ status: 'refused', reason })
  }
  return {
    done: new Promise((resolve, reject) => {
      end = () =>
        lost === undefined ? resolve(items.flatMap((_, index) => outcomes.get(index) ?? [])) : reject(lost.error)
      if (items.length === 0) end()
    }),
    take,
    refuse,
    abandon(error) {
      lost = { error }
      refuse('aborted')
    },
  }
}

function isHandedBack(outcome: Outcome<unknown>): boolean {
  return outcome.status === 'refused' && handsBack.has(outcome.reason)
}

/** The reasons with which a source has its item back, as `TakenItem` says. */
const handsBack: ReadonlySet<string> = new Set(['closing', 'aborted', 'overCapacity'])
