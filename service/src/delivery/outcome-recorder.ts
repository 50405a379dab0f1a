import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'switchgear'
import { groupCommit } from '../intake/group-commit.ts'
import type { AlertStore } from '../store/alert-store.ts'
import type { OutcomeRecord } from '../store/record-outcomes.ts'

/** How long is waited between two tries to write, in ms: at first, and at most. */
const recordAgainMs = 100
export const recordAgainMsMax = 5_000

/** The least time between two writes, in ms: a statement costs much the same for one outcome and for fifty. */
const writeEveryMs = 10

/**
 * Writes outcomes, those that come at the same time in one statement. While the store is away it tries again: a message
 * whose outcome is lost would be sent twice.
 */
export interface Recorder<T> {
  /** Resolves when it is written, or when the recorder was told to give up. */
  record(outcome: T): Promise<void>
  /** Ends all trying again. */
  giveUp(): void
}

export function outcomeRecorder(store: Pick<AlertStore, 'record'>, logger: Logger): Recorder<OutcomeRecord> {
  return recorder((records) => store.record(records), logger)
}

/** A recorder of anything that has an id. */
export function recorder<T extends { readonly id: string }>(
  write: (records: readonly T[]) => Promise<void>,
  logger: Logger,
): Recorder<T> {
  const stop = new AbortController()
  // Each outcome that waits listens, which is more than Node takes for a mistake.
  setMaxListeners(0, stop.signal)
  const commits = groupCommit<T, true>({
    async commit(records) {
      await write(records)
      return records.map(() => true as const)
    },
    sizeOf: () => 1,
    keysOf: ({ id }) => [id],
    batchMax: 500,
    everyMs: writeEveryMs,
    waitingMax: Infinity,
  })
  return {
    async record(outcome) {
      for (let delayMs = recordAgainMs; ; delayMs = Math.min(delayMs * 2, recordAgainMsMax)) {
        try {
          await commits.submit(outcome)
          return
        } catch (error) {
          logger.error({ error, message: outcome.id }, 'an outcome could not be written')
          if (stop.signal.aborted) return
          await sleep(delayMs, undefined, { signal: stop.signal }).catch(() => {})
        }
      }
    },
    giveUp: () => stop.abort(),
  }
}
