import type { ErrorType } from '../kernel/classify.ts'

/** What a caller hands in. The rest of a letter is made from it. */
export interface LetterDraft {
  /** 1 to 128 characters. */
  readonly organization: string
  readonly channel: string
  /** The id of the message or alert that could not be delivered; 1 to 128 characters. */
  readonly messageId: string
  /**
   * What is needed to send it again. Anything; stored as JSON as well as it can be: bytes as `{ "$base64": … }`, a Map
   * as its entries, a BigInt as its digits, functions not at all, cycles and what cannot be read as a note in brackets.
   */
  readonly payload: unknown
  /** Why it failed; anything that can be thrown, or what `classify` made of that. */
  readonly error: unknown
  /** What was tried before, oldest first. The newest 100 are kept. */
  readonly attempts?: readonly LetterAttempt[] | undefined
  /** Makes the letter idempotent; otherwise a ULID. 1 to 128 characters. */
  readonly id?: string | undefined
}

export interface LetterAttempt {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly error: string
}

/** What stood in a letter before it was edited. */
export interface LetterEdit {
  /** When it was edited, ms since the epoch. */
  readonly at: number
  /** The version that stood before. */
  readonly version: number
  /** What stood before, where it was changed. */
  readonly channel?: string
  readonly payload?: unknown
}

/** A message that could not be delivered, whole, with why. */
export interface Letter {
  /** `<organization, percent-encoded, its dots too>.<id of the draft or ULID>` */
  readonly id: string
  readonly organization: string
  readonly channel: string
  readonly messageId: string
  readonly payload: unknown
  readonly errorType: ErrorType
  readonly error: { readonly name: string; readonly message: string; readonly code?: string; readonly stack?: string }
  readonly attempts: readonly LetterAttempt[]
  /** Attempts after the first, before it was dead-lettered. */
  readonly retryCount: number
  readonly redriveCount: number
  readonly parked: boolean
  /** Grows with each change. */
  readonly version: number
  readonly createdAt: number
  readonly updatedAt: number
  /**
   * What its edits replaced, oldest first; absent while there were none. The newest 10 are kept, and of those no more than
   * their payloads together have `bodyBytesMax` characters of JSON, but always the newest.
   */
  readonly edits?: readonly LetterEdit[]
}

/**
 * Instants in ms since the epoch, inclusive; everything that is given must hold. `text` is looked for in the error's
 * name and message, without regard to case.
 */
export interface LetterFilter {
  readonly organization?: string
  readonly channel?: string
  readonly errorType?: ErrorType
  readonly since?: number
  readonly until?: number
  readonly text?: string
  readonly parked?: boolean
}

/** A part of a listing, newest first; no `next` at the end. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next?: string
}

/** Depth and age of the letters of one organization, channel and error type. */
export interface LetterStatsRow {
  readonly organization: string
  readonly channel: string
  readonly errorType: ErrorType
  readonly count: number
  /** How many of them are parked. */
  readonly parked: number
  /** When the oldest of them was created, ms since the epoch. */
  readonly oldestAt: number
}
