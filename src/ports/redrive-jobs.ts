import type { LetterFilter } from './dead-letters.ts'
import type { LetterParts } from './letter.ts'

export type RedriveOutcome = 'delivered' | 'failed' | 'parked' | 'skipped'

/** What a redrive is to do; it belongs to one organization. */
export interface RedrivePlan {
  /** `<organization, encoded as in the ids of letters>.<ULID>` */
  readonly id: string
  readonly organization: string
  /** Which letters: those with these ids, or those that a filter finds. */
  readonly of: { readonly ids: readonly string[] } | { readonly filter: LetterFilter }
  /** How many letters there are to do, at most. */
  readonly total: number
  /** Letters a second for all workers together; no bound when absent. */
  readonly ratePerSecond?: number | undefined
  /** A letter that was redriven so often without success is parked. */
  readonly maxRedrives: number
  readonly startedAt: number
}

export interface RedriveJob extends RedrivePlan {
  /** `paused` until `pausedUntilAt`, since the breaker that the letters go through is open. */
  readonly state: 'running' | 'paused' | 'done' | 'cancelled'
  readonly pausedUntilAt?: number
  readonly done: number
  readonly delivered: number
  readonly failed: number
  readonly parked: number
  readonly skipped: number
  /** Letters that were put into the job so far. */
  readonly fed: number
  /** All are in; `total` is how many there are from then on. */
  readonly fedAll: boolean
  /** Where filling the job with letters goes on; absent at the beginning, and once all are in. */
  readonly cursor?: string
}

/** A letter that a worker has until its lease is over. */
export interface RedriveWork {
  /** Names this turn of this letter; whoever holds another turn of it settles nothing. */
  readonly turn: string
  readonly letter: LetterParts
  /**
   * When it may be sent, in ms from now, so that all workers together keep to the rate: each letter that is taken gets the
   * next slot, `1,000 / ratePerSecond` after the one before it, and not before now.
   */
  readonly dueInMs: number
}

export interface TakeOptions {
  readonly by: string
  readonly count: number
  readonly leaseMs: number
  /** As versions before took them, whose journals a store in memory is made from: what was given back comes first. */
  readonly givenBackFirst?: boolean
}

export interface Taken {
  /** As it is after the taking. */
  readonly job: RedriveJob
  readonly work: readonly RedriveWork[]
  readonly skipped: readonly string[]
}

/**
 * Redrives that outlive their starter and that several workers share. A letter is in the hands of one worker at a time,
 * whichever jobs it is in: its lease is renewed while it is worked on, and taken over when it is over.
 *
 * Each method is one step. All reject with `UnavailableError` while the store cannot be asked.
 */
export interface RedriveJobs {
  /** Idempotent by id. Jobs are forgotten a day after their last change. @throws OverCapacityError for a bound of its own */
  start(plan: RedrivePlan): Promise<void>
  get(id: string): Promise<RedriveJob | undefined>
  /** Jobs of an organization that are not forgotten, or those of them that are not over, newest first, at most 100. */
  list(organization: string, which?: { readonly underWay?: boolean | undefined }): Promise<readonly RedriveJob[]>
  /**
   * Puts letters (at most 1,000) behind those that are in the job already, if it runs and `cursor` is where it was to go
   * on: once for each cursor, whoever is first. `next` is where to go on then, absent at the end. Says whether it did. A job
   * that is at its end with all its letters settled is `done`, also when there are none.
   */
  feed(id: string, cursor: string | undefined, ids: readonly string[], next: string | undefined): Promise<boolean>
  /**
   * Takes up to `count` letters for `leaseMs`: those whose lease is over first, then those that nobody has had, in the
   * order in which they were fed, and, once all are in, those that were given back, whose time came longest ago first.
   * So every letter has its turn before any has another, however many are given back again and again. Letters that are
   * gone, are parked (unless the plan's filter says `parked: true` or names them by id), or are in the hands of another
   * job are settled as `skipped` at once, and their ids given. Takes none while the job is paused or over. `undefined`
   * when there is no such job.
   */
  take(id: string, options: TakeOptions): Promise<Taken | undefined>
  /** Prolongs leases; gives the turns that were still held. Where there were any, it counts as a change of the job. */
  renew(id: string, turns: readonly string[], leaseMs: number): Promise<readonly string[]>
  /**
   * Ends a turn, together with what became of its letter, in one step: `delivered` removes it as `remove` does, `next` is
   * put in its place where it failed or is parked (unless it is gone: then it stays gone), and progress counts it, once.
   * A job whose letters are all in and settled is `done`.
   *
   * Nothing is done, and the answer is `lost`, when the turn is held no more (its lease is over and somebody else has it,
   * or it was settled), and `changed` when the letter is there in another version than the one before `next`'s: the turn
   * is still held then.
   */
  settle(
    id: string,
    turn: string,
    outcome: RedriveOutcome,
    next?: LetterParts,
  ): Promise<RedriveJob | 'lost' | 'changed'>
  /** Gives a letter back, behind those that nobody has had; nobody takes it for `forMs` (0 to a day; 0). */
  giveBack(id: string, turn: string, forMs?: number): Promise<void>
  /** Lets nobody take letters until then, if the job runs. */
  pause(id: string, forMs: number): Promise<void>
  /** Ends a job; letters in somebody's hands are still settled. Says whether it ran. */
  cancel(id: string): Promise<boolean>
}
