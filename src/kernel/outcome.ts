import type { ClassifiedError } from './classify.ts'

/**
 * What came of a call, a message, an item: exactly one of these.
 *
 * `attempts` are the calls of the work that were made: 0 when a breaker refused the first. `durationMs` is from the call
 * to its outcome by the monotonic clock, with all that lies between: the limit, the waits, the letter, the fallback.
 */
export type Outcome<T> =
  | { readonly status: 'delivered'; readonly value: T; readonly attempts: number; readonly durationMs: number }
  | {
      /** It failed for good, and its letter is in the queue. */
      readonly status: 'deadLettered'
      readonly letterId: string
      readonly error: ClassifiedError
      readonly attempts: number
      readonly durationMs: number
    }
  | {
      /** It failed for good, and there is no letter: none was asked for, or it could not be written. */
      readonly status: 'failed'
      readonly error: ClassifiedError
      readonly attempts: number
      readonly durationMs: number
    }
  | {
      /** It failed for good, and this is what stands in for the value. */
      readonly status: 'fallback'
      readonly value: T
      readonly error: ClassifiedError
      /** The letter that was written all the same, where one was asked for. */
      readonly letterId?: string
      readonly attempts: number
      readonly durationMs: number
    }
  | Refused

/**
 * This side did not want it: over the caller's own limit, behind an open breaker, called off by the caller, past a bound
 * of this instance, or after its end. With `rateLimited`, `breakerOpen`, `overCapacity` and `closing` the work was never
 * called; but for `closing` of `deliver`, which also hands back what it had no time left for.
 */
export interface Refused {
  readonly status: 'refused'
  readonly reason: 'rateLimited' | 'breakerOpen' | 'aborted' | 'overCapacity' | 'closing'
  /** When to come back, in ms; 0: at any moment; `Infinity`: not before somebody changes something. */
  readonly retryAfterMs?: number
}
