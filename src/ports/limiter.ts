/** One limit: at most `limit` in any window of `windowMs`. */
export interface LimitDefinition {
  /** What may be granted in a window; a whole number, 1 to 1,000,000,000. */
  readonly limit: number
  /** The length of the window, in ms; a whole number, 1 to 2,678,400,000 (31 days). */
  readonly windowMs: number
}

/** Limits by name. */
export type Limits = Readonly<Record<string, LimitDefinition>>

/** A name, several names, or names with what each costs (a whole number of at least 1). */
export type LimitNames = string | readonly (string | { readonly name: string; readonly cost?: number | undefined })[]

/** Where one limit stands, after what was decided. */
export interface LimitState {
  readonly name: string
  readonly limit: number
  /** What is left of it at the moment. */
  readonly remaining: number
  /** When all of it is left again if nobody asks meanwhile, in ms; 0 when all of it is left. */
  readonly resetMs: number
  readonly windowMs: number
  /** This limit is one of those that refuse. */
  readonly exceeded: boolean
}

export interface Decision {
  readonly allowed: boolean
  /** The store could not be asked in time, and this is what the policy for that says. */
  readonly degraded: boolean
  /** When the same request may pass, in ms; 0 when allowed; `Infinity` when its cost is above the limit. */
  readonly retryAfterMs: number
  /** Each limit that was asked for, in the order in which they were named. */
  readonly limits: readonly LimitState[]
  /**
   * For an HTTP answer: `X-RateLimit-Limit`, `-Remaining` and `-Reset` (delta seconds) of the limit that is nearest to its
   * end, `RateLimit` and `RateLimit-Policy` of all of them, and `Retry-After` of a refusal that ends. Degraded, what the
   * limits are and not what is left.
   * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/
   */
  headers(): Record<string, string>
}

/** What a limit was used for, and what it could be instead. */
export interface LimitSuggestion {
  readonly name: string
  readonly limit: number
  readonly windowMs: number
  /** Whose use it is: that of all instances that share the store, or of this one, since the store could not be asked. */
  readonly scope: 'fleet' | 'instance'
  /** Since when uses were recorded, ms since the epoch. */
  readonly sinceAt: number
  /** What was asked for in all, what of it this limit refused: sums of costs. */
  readonly asked: number
  readonly refused: number
  /** What keys with a limit of their own asked for, which is in none of the other figures. */
  readonly overridden: number
  /** The most that one key asked for in one window. */
  readonly peak: number
  /** What 99 of 100 busy windows of a key stay within, and a fifth more. The limit as it is while there is no use to go by. */
  readonly suggested: number
  /** What the suggested limit would have refused of what was asked for. */
  readonly wouldHaveRefused: number
}

/**
 * Rate limits by key (an organization) and name.
 *
 * The contract: all names are booked or none; a refusal books nothing; never more than `limit` in any interval of
 * `windowMs` by the store's clock, which may step back; a name that is given twice costs the sum. `retryAfterMs` after a
 * refusal the same request is granted if nobody else asks. Each rejects with `ConfigError` for an unknown name, an empty
 * key, a cost that is no whole number of at least 1.
 */
export interface Limiter {
  /** The fleet whose instances share it; absent where it is no matter of fleets. */
  readonly fleet?: string | undefined
  /** @throws ConfigError */
  check(key: string, names: LimitNames): Promise<Decision>
  /** Whether `check` would allow it, and what is left; books nothing. @throws ConfigError */
  peek(key: string, names: LimitNames): Promise<Decision>
  /**
   * Gives back what a decision of this limiter booked; once, a second time does nothing. Neither does a decision that
   * booked nothing, or whose window is over.
   */
  refund(decision: Decision): Promise<void>
  /** Forgets what was granted to a key, under these names or all. @throws ConfigError, UnavailableError */
  reset(key: string, names?: string | readonly string[]): Promise<void>
  /**
   * Other limits for one key, from now on, for every instance that shares the store; `null` takes one back. What was
   * granted before counts until the window is over in which it was. @throws ConfigError, UnavailableError
   */
  override(key: string, limits: Readonly<Record<string, LimitDefinition | null>>): Promise<void>
  /** A limit for each name, from what was asked for. Never rejects for want of the store. */
  suggest(): Promise<readonly LimitSuggestion[]>
  /** Ends what it opened. */
  close?(): Promise<void>
}

/** A limiter as a store has it: without a deadline, and rejecting with `UnavailableError` while it cannot be asked. */
export interface LimitStore extends Omit<Limiter, 'suggest' | 'fleet' | 'refund'> {
  /** Also tells the key that something was given back to; `undefined` when there was nothing to give back. */
  refund(decision: Decision): Promise<string | undefined>
}
