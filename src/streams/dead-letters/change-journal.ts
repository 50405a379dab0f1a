import { ClosedError, SwitchgearError } from '../../kernel/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Journal } from '../../ports/journal.ts'
import type { LetterSnapshot, RestorableLetters } from '../../ports/letter-store.ts'
import type { Logger } from '../../ports/logger.ts'
import {
  applyChange,
  type Circumstances,
  type LetterChange,
  type LetterRecord,
  readChange,
  restoringOf,
  writeChange,
} from './letter-change.ts'

/** A store whose changes stand in a journal before they are made. */
export interface ChangeJournal {
  /** The store as the journal left it, at this moment. */
  store(): Promise<RestorableLetters>
  /** Makes a change once it is durable; gives what the store says to it. */
  commit(change: LetterChange): Promise<unknown>
  close(): Promise<void>
}

export interface ChangeJournalOptions {
  /** Makes a store that is empty, and asks nothing but this clock, and how much all letters may take at the moment. */
  readonly make: (clock: Clock, room: () => number) => RestorableLetters
  readonly journal: Journal
  /** What all letters together may take, in characters. Less than what they take already only keeps out others. */
  readonly room: number
  readonly clock: Clock
  readonly logger: Logger
}

/** A journal that is so much longer than twice what it would have to be is written anew, in bytes. */
const slackBytes = 16_777_216

/**
 * Changes are appended with the time at which they are made, and made in the order in which they are appended, as soon as
 * they are durable: so the next process, which makes them again, comes to the same store. When most of the journal is
 * history, the store is written down whole in its place, while it is used.
 */
export function changeJournal({ make, journal, room, clock, logger }: ChangeJournalOptions): ChangeJournal {
  let as: Circumstances = { now: 0, monotonic: 0, room }
  const asOf: Clock = {
    now: () => as.now,
    monotonic: () => as.monotonic,
    setTimeout: (run, delayMs, how) => clock.setTimeout(run, delayMs, how),
    clearTimeout: (timer) => clock.clearTimeout(timer),
    sleep: (delayMs, how) => clock.sleep(delayMs, how),
  }
  let opening: Promise<RestorableLetters> | undefined
  let isClosed = false
  /** What the clock of the store is ahead of the monotonic one. */
  let aheadMs = 0
  let underWay = 0
  let whenQuiet = (): void => {}
  /** Changes wait for it while the store is looked at whole. */
  let barrier: Promise<void> | undefined
  let rewriting: Promise<void> | undefined
  let rewriteAt = slackBytes

  const present = (): Circumstances => ({ now: clock.now(), monotonic: clock.monotonic() + aheadMs, room })

  const open = async (): Promise<RestorableLetters> => {
    const store = make(asOf, () => as.room)
    let last = 0
    let restoredBytes = 0
    let unread = 0
    for await (const part of journal.parts()) {
      for await (const records of part.batches()) {
        for (const record of records) {
          const read = readChange(record)
          if (read === undefined || !(await redo(store, read))) {
            unread += 1
            await part.setAside(record)
            continue
          }
          last = Math.max(last, read.monotonic)
          if (read.change.does === 'restore') restoredBytes += record.byteLength
        }
      }
    }
    // Time has gone on meanwhile, which only the wall clock knows.
    aheadMs = Math.max(last, clock.now()) - clock.monotonic()
    rewriteAt = 2 * restoredBytes + slackBytes
    if (unread > 0) {
      logger.error({ records: unread }, 'records of dead letters could not be read, and were set aside')
      rewriteAt = 0
    }
    return store
  }

  /** Whether it was a change: one that the store refused then is refused again. */
  const redo = async (store: RestorableLetters, { change, ...at }: LetterRecord): Promise<boolean> => {
    as = at
    try {
      await applyChange(store, change)
      return true
    } catch (error) {
      return error instanceof SwitchgearError
    }
  }

  const opened = async (): Promise<RestorableLetters> => {
    if (isClosed) throw new ClosedError('the store of dead letters')
    opening ??= open()
    try {
      return await opening
    } catch (error) {
      // The next who asks tries again.
      opening = undefined
      throw error
    }
  }

  const commit = async (change: LetterChange): Promise<unknown> => {
    const store = await opened()
    while (barrier !== undefined) await barrier
    underWay += 1
    const at = present()
    try {
      await journal.append(writeChange({ ...at, change }))
      as = at
      return await applyChange(store, change)
    } finally {
      underWay -= 1
      if (underWay === 0) whenQuiet()
      rewriteWhereLong(store)
    }
  }

  const rewriteWhereLong = (store: RestorableLetters): void => {
    if (journal.bytes > rewriteAt && rewriting === undefined && !isClosed) rewriting = rewrite(store)
  }

  /** Waits until every change that is durable is made, sees the store as it is then, and lets changes pass again. */
  const rewrite = async (store: RestorableLetters): Promise<void> => {
    let pass = (): void => {}
    barrier = new Promise((resolve) => (pass = resolve))
    const goOn = (): void => {
      barrier = undefined
      pass()
    }
    try {
      await new Promise<void>((quiet) => {
        whenQuiet = quiet
        if (underWay === 0) quiet()
      })
      let bytes = 0
      const replaced = journal.replace(recordsOf(store.snapshot(), present(), (record) => (bytes += record.byteLength)))
      goOn()
      await replaced
      // Not what the journal has by now: what was appended meanwhile may be history, too.
      rewriteAt = 2 * bytes + slackBytes
    } catch (error) {
      rewriteAt = journal.bytes + slackBytes
      logger.warn({ err: error }, 'the journal of dead letters could not be written anew; it is tried again later')
    } finally {
      goOn()
      rewriting = undefined
      rewriteWhereLong(store)
    }
  }

  return {
    async store() {
      const store = await opened()
      as = present()
      return store
    },
    commit,
    async close() {
      isClosed = true
      await opening?.catch(() => {})
      await rewriting
      await journal.close()
    },
  }
}

function* recordsOf(
  parts: readonly LetterSnapshot[],
  at: Circumstances,
  onRecord: (record: Uint8Array) => void,
): Iterable<Uint8Array> {
  for (const part of parts) {
    const record = writeChange({ ...at, change: restoringOf(part) })
    onRecord(record)
    yield record
  }
}
