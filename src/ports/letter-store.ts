import type { LetterFilter, LetterStatsRow, Page } from './dead-letters.ts'
import type { LetterParts } from './letter.ts'
import type { RedriveJobs } from './redrive-jobs.ts'

/** Bounds that a store keeps for whoever adds. */
export interface LetterBounds {
  /** Letters an organization may have. */
  readonly lettersMax: number
}

/**
 * A part of a listing, as a store gives it. `more`: it knows that another letter follows these; without it a `next` may
 * lead to none.
 */
export interface LetterPage extends Page<LetterParts> {
  readonly more?: boolean
}

/** What became of adding a letter: it is new, it was there before, or it is gone for good (delivered or purged). */
export type Added = { readonly status: 'added' | 'present'; readonly letter: LetterParts } | { readonly status: 'gone' }

/**
 * Dead letters as a store has them: every method is one step that does not take long, however many letters there are,
 * and what takes many steps is done by `deadLetterQueue`. Letters are made, checked and changed there too; a store keeps
 * them.
 *
 * The contract: what resolved is stored for good. Everything is idempotent, since a caller may ask again after a timeout.
 * Everything rejects with `UnavailableError` while the store cannot be asked; absent is `undefined` or `false`. Indexes
 * (what filters look at) never disagree with the letters.
 */
export interface LetterStore {
  /** Adds by id; a letter that is there stays as it is. @throws OverCapacityError past `lettersMax` */
  add(letter: LetterParts, bounds: LetterBounds): Promise<Added>
  get(id: string): Promise<LetterParts | undefined>
  /**
   * A part of a listing by creation, newest first unless `oldestFirst`, stable under writes between its pages. It may hold
   * fewer than `limit` (1 to 1,000), even none, and still have a `next`: a store looks at a bounded number of letters at a
   * time. @throws ConfigError for a cursor that no page gave
   */
  page(
    filter: LetterFilter,
    options: { readonly limit: number; readonly cursor?: string | undefined; readonly oldestFirst?: boolean },
  ): Promise<LetterPage>
  /** How many a filter finds: all of it, or a part and where to go on. */
  count(filter: LetterFilter, cursor?: string): Promise<{ readonly count: number; readonly next?: string }>
  /** Depth and age by organization, channel and error type; `organization`, `channel` and `errorType` of a filter hold. */
  rows(
    filter: Pick<LetterFilter, 'organization' | 'channel' | 'errorType'>,
    cursor?: string,
  ): Promise<Page<LetterStatsRow>>
  /** Puts a letter in place of the one with its id, if that has this version. Says whether it did. */
  replace(letter: LetterParts, version: number): Promise<boolean>
  /** Removes letters, and keeps for a day that they are gone. Says how many were there. At most 1,000 ids. */
  remove(ids: readonly string[]): Promise<number>
  /** Drops letters created before an instant, a bounded number of them; gives how many, 0 when there are no more. */
  sweep(before: number): Promise<number>
  /** How many letters wait beside the store, on a disk, until it can be asked again; absent where nothing spills. */
  spilled?(): number
  /** Redrives under way. */
  readonly jobs: RedriveJobs
  /** Ends what it opened. */
  close?(): Promise<void>
}

/** A part of all that a store has: a letter with its place among those of the same instant, or something else as JSON. */
export type LetterSnapshot =
  | { readonly letter: LetterParts; readonly arrival: number }
  | { readonly other: Readonly<Record<string, unknown>> }

/** A store that can be written down, and made anew from that. */
export interface RestorableLetters extends LetterStore {
  /** All that is in it at the moment. What it gives does not change any more. */
  snapshot(): readonly LetterSnapshot[]
  /** Puts in what a snapshot gave, part by part in its order, into a store that has nothing else. */
  restore(part: LetterSnapshot): void
}
