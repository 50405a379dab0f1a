/** One limit: at most `limit` in any window of `windowMs`. */
export interface Limit {
  readonly limit: number
  readonly windowMs: number
}

/** A name, several names, or names with what each costs (a whole number of at least 1). */
export type LimitNames = string | readonly string[] | readonly { readonly name: string; readonly cost?: number }[]

export interface Decision {
  readonly allowed: boolean
  /** The store could not be asked in time, and this is what the policy for that says. */
  readonly degraded: boolean
  /** When the same request may pass, in ms; 0 when allowed; `Infinity` when its cost is above the limit. */
  readonly retryAfterMs: number
  readonly limits: readonly {
    readonly name: string
    readonly limit: number
    readonly remaining: number
    readonly resetMs: number
    readonly windowMs: number
  }[]
  headers(): Record<string, string>
}

/**
 * Rate limits by key (an organization) and name.
 *
 * The contract: all names are booked or none; a refusal books nothing; never more than `limit` in any interval of
 * `windowMs` by the store's clock; an answer within the deadline, whatever the store does. `ConfigError` for an unknown
 * name, an empty key, a cost that is no whole number of at least 1.
 */
export interface Limiter {
  check(key: string, names: LimitNames): Promise<Decision>
  /** What `check` would say; books nothing. */
  peek(key: string, names: LimitNames): Promise<Decision>
  /** Gives back what a decision booked; once, a second time does nothing. */
  refund(decision: Decision): Promise<void>
}
