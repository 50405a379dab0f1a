import { channel } from 'node:diagnostics_channel'
import type { Observable } from 'rxjs'
import { ulid } from 'ulid'
import { parseOptions } from '../../kernel/options.ts'
import { systemClock } from '../../ports/clock.ts'
import type { Letter, LetterDraft, LetterFilter, Page } from '../../ports/dead-letters.ts'
import { checkLetterFilter, checkPageLimit } from '../../ports/letter-filter.ts'
import type { Added, LetterStore } from '../../ports/letter-store.ts'
import { readLetter, writeLetter } from '../../ports/letter.ts'
import { quietly, silentLogger } from '../../ports/logger.ts'
import { systemRandom } from '../../ports/random.ts'
import {
  editLetter,
  type LetterChange,
  type LettersGiven,
  parkLetters,
  purgeLetters,
} from './dead-letter-queue-changing.ts'
import {
  deadLetterQueueDefaults,
  type DeadLetterQueueOptions,
  deadLetterQueueSchema,
} from './dead-letter-queue-options.ts'
import { countLetters, letterStats, type LetterStats, listLetters } from './dead-letter-queue-reading.ts'
import { restoredLetter } from './dead-letter-queue-restoring.ts'
import { sweeper } from './dead-letter-queue-sweeper.ts'
import type { RedriveEvent } from '../redrive/redrive-events.ts'
import type { RedriveOptions } from '../redrive/redrive-options.ts'
import { redriveNow, type Redrives, redrives } from '../redrive/redrive.ts'

/**
 * Where goes what could not be delivered, and from where it can be sent again.
 *
 * The contract: `enqueue` has stored the letter when it resolves, and is idempotent by the letter's id (a second call
 * gives the letter that is there; for an id that was delivered or purged within a day it resolves and stores nothing, so
 * that a late replay revives nothing); it rejects with `UnavailableError` when the store cannot be asked, `ConfigError`
 * for a draft that names nobody, `OverCapacityError` past its bounds, and never loses what it resolved for. `get` gives
 * `undefined` for what is not there. `list` is newest first by creation, and stable under writes between its pages; its
 * `limit` is from 1 to 1,000, by default 100. `count` is how many it would list in all. All reject with `ConfigError` for
 * a filter, ids, a limit or a cursor that cannot be meant. What is done to a draft or a letter afterwards does not reach
 * the store.
 */
export interface DeadLetters {
  /** The fleet whose instances share it; absent where it is no matter of fleets. */
  readonly fleet?: string | undefined
  /** `node:diagnostics_channel` carries each letter that is new as `switchgear:letter`. */
  enqueue(draft: LetterDraft): Promise<Letter>
  /**
   * Puts back a letter that `get` or `list` gave, of this queue or another one, as it was: with its id, times, attempts,
   * redrives and edits. One that is there stays as it is (`present`), and one that was delivered or purged within a day
   * stays away (`gone`). @throws ConfigError for what is no letter
   */
  restore(letter: Letter): Promise<Added['status']>
  get(id: string): Promise<Letter | undefined>
  list(
    filter?: LetterFilter,
    options?: { readonly limit?: number | undefined; readonly cursor?: string | undefined },
  ): Promise<Page<Letter>>
  count(filter?: LetterFilter): Promise<number>
  stats(filter?: LetterFilter): Promise<LetterStats>
  /**
   * Changes what is sent, or on which channel, and keeps what stood before in the letter's `edits`. Gives the letter as it
   * is then; `undefined` when it is not there. With `version`, only if the letter still has that one.
   * @throws ConfigError for a change that cannot be meant (`change…`), and for a version that the letter has no more
   * (`version`); OverCapacityError for a payload past `bodyBytesMax`
   */
  edit(
    id: string,
    change: LetterChange,
    options?: { readonly version?: number | undefined },
  ): Promise<Letter | undefined>
  /** Sets letters aside: a redrive by filter passes over them. Says how many were not parked before. */
  park(letters: LettersGiven): Promise<number>
  /** Ends that. Redrives are counted on, so that the next one that fails may park the letter again. */
  unpark(letters: LettersGiven): Promise<number>
  /** Removes letters for good, parked ones too; `{}` means all there are. Says how many; with `dryRun`, how many it would. */
  purge(letters: LettersGiven, options?: { readonly dryRun?: boolean | undefined }): Promise<number>
  /**
   * Sends letters again, by their ids or those that a filter finds (which passes over parked letters unless it says
   * `parked: true`), oldest first: starts a job for each organization at subscription, and works on them until they are
   * done. Emits what became of each letter: a delivered one leaves the queue; one that failed stays, with its redrive
   * counted and its error replaced, and is parked when it was redriven `maxRedrives` times. While the breaker is open, or
   * the store is away, it waits; no redrive is spent for that, nor for what a limit refuses or an abort calls off.
   *
   * An abort completes it; so it does once all is done. Whatever ends it, `redrives.work` can go on with the rest. Each
   * subscription is a redrive of its own.
   * @throws ConfigError
   */
  redrive(letters: LettersGiven, options: RedriveOptions): Observable<RedriveEvent>
  readonly redrives: Redrives
  /** Ends what it opened. */
  close?(): Promise<void>
}

/**
 * The queue of dead letters over any store: checks what comes in, makes the letters, and takes many steps where a store
 * takes one.
 * @throws ConfigError
 */
export function deadLetterQueue(store: LetterStore, options: DeadLetterQueueOptions = {}): DeadLetters {
  const given = parseOptions(deadLetterQueueSchema, options, 'deadLetterQueue')
  const { clock = systemClock, random = systemRandom } = given
  const logger = quietly(given.logger ?? silentLogger)
  const { lettersMax, bodyBytesMax, retentionDays, maxRedrives, sweepEveryMs } = {
    ...deadLetterQueueDefaults,
    ...said(given),
  }
  const now = (): number => clock.now()
  const newId = (): string => ulid(Math.max(0, Math.floor(clock.now())), () => random.next())
  const sweep = (): Promise<number> => store.sweep(clock.now() - retentionDays * 86_400_000)
  const old = sweeper(sweep, { everyMs: sweepEveryMs, clock, random, logger })

  const redriving = { store, clock, random, logger, maxRedrives, beforeStart: old.beforeUse }

  /** The store, once what is too old is gone, where that is seen to before each use. */
  const fresh = async (): Promise<LetterStore> => {
    await old.beforeUse()
    return store
  }

  return {
    async enqueue(draft) {
      const drafted = writeLetter(draft, { at: clock.now(), newId, bodyBytesMax })
      const added = await (await fresh()).add(drafted, { lettersMax })
      const letter = readLetter(added.status === 'gone' ? drafted : added.letter)
      if (added.status === 'added' && newLetters.hasSubscribers) newLetters.publish(letter)
      return letter
    },
    async restore(letter) {
      const restored = restoredLetter(letter, bodyBytesMax)
      return (await (await fresh()).add(restored, { lettersMax })).status
    },
    async get(id) {
      const found = await (await fresh()).get(id)
      return found && readLetter(found)
    },
    async list(filter = {}, { limit, cursor } = {}) {
      const [checked, most] = [checkLetterFilter(filter), checkPageLimit(limit)]
      return listLetters(await fresh(), checked, most, cursor)
    },
    async count(filter = {}) {
      const checked = checkLetterFilter(filter)
      return countLetters(await fresh(), checked)
    },
    async stats(filter = {}) {
      const checked = checkLetterFilter(filter)
      return letterStats(await fresh(), checked, clock.now())
    },
    edit: async (id, change, { version } = {}) =>
      editLetter(await fresh(), id, change, { version, at: now, bodyBytesMax }),
    park: async (letters) => parkLetters(await fresh(), letters, true, now),
    unpark: async (letters) => parkLetters(await fresh(), letters, false, now),
    purge: async (letters, { dryRun = false } = {}) => purgeLetters(await fresh(), letters, dryRun),
    redrive: (letters, how) => redriveNow(redriving, letters, how),
    redrives: redrives(redriving),
    async close() {
      old.stop()
      await store.close?.()
    },
  }
}

const newLetters = channel('switchgear:letter')

/** What was given: a field that is there and `undefined` was not. */
function said<T extends object>(given: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    readonly [K in keyof T]?: Exclude<T[K], undefined>
  }
}
