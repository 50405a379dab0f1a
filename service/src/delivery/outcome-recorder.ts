import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, UnavailableError } from 'switchgear'
import { groupCommit } from '../intake/group-commit.ts'
import type { AlertStore } from '../store/alert-store.ts'
import type { OutcomeRecord } from '../store/record-outcomes.ts'

/** How long is waited between two tries to write, in ms: at first, and at most. */
const recordAgainMs = 100
export const recordAgainMsMax = 5_000

/** The least time between two writes, in ms: a statement costs much the same for one outcome and for fifty. */
const writeEveryMs = 10

/** Refusals in a row after which nothing is halved any more: the database seems to refuse everything. */
const halvedMax = 20

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
  const commits = groupCommit<T, Written>({
    commit: writeAll,
    sizeOf: () => 1,
    keysOf: ({ id }) => [id],
    batchMax: 500,
    everyMs: writeEveryMs,
    waitingMax: Infinity,
  })
  return {
    async record(outcome) {
      for (let delayMs = recordAgainMs; ; delayMs = Math.min(delayMs * 2, recordAgainMsMax)) {
        const answer = await commits.submit(outcome)
        if (answer === written) return
        logger.error({ error: answer.error, message: outcome.id }, 'an outcome could not be written')
        if (stop.signal.aborted) return
        await sleep(delayMs, undefined, { signal: stop.signal }).catch(() => {})
      }
    },
    giveUp: () => stop.abort(),
  }

  /**
   * What the database refuses holds up nobody else: each half of a batch that it refused is written by itself, in any
   * order, since those that are refused may stand in a row, and do so again at the next try.
   */
  async function writeAll(records: readonly T[]): Promise<readonly Written[]> {
    const refused = new Map<T, Written>()
    let inARow = 0
    await writePart(records)
    return records.map((record) => refused.get(record) ?? written)

    async function writePart(part: readonly T[]): Promise<void> {
      try {
        await write(part)
        inARow = 0
      } catch (error) {
        inARow += 1
        if (error instanceof UnavailableError || part.length === 1 || inARow > halvedMax)
          for (const record of part) refused.set(record, { error })
        else {
          const middle = part.length >> 1
          const halves = [part.slice(0, middle), part.slice(middle)]
          for (const half of Math.random() < 0.5 ? halves : halves.toReversed()) await writePart(half)
        }
      }
    }
  }
}

const written = 'written'

/** What became of an outcome. */
type Written = typeof written | { readonly error: unknown }
