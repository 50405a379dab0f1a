/**
 * What the dashboard is told, by `GET /v1/dashboard` once and by `GET /v1/events` from then on. The service gives it and
 * the page reads it: one definition for both.
 */

export type Mode = 'closed' | 'open' | 'halfOpen' | 'forcedOpen' | 'disabled'

export interface Counts {
  readonly calls: number
  readonly failures: number
  readonly slow: number
  readonly consecutiveFailures: number
}

/** Where a breaker stands for the calls of the instance that was asked. Instants are ms since the epoch. */
export interface BreakerView {
  readonly name: string
  readonly mode: Mode
  readonly scope: 'local' | 'fleet'
  readonly term: number
  readonly sinceAt: number
  readonly by: string
  readonly reason: string
  readonly counts: Counts
  readonly failedRecoveries: number
  readonly retryAt?: number
  readonly probe?: { readonly holder: string; readonly attempt: number }
}

/** A change of a breaker's mode, and where it stood right after it. */
export interface TransitionView {
  readonly breaker: string
  readonly from: Mode
  readonly to: Mode
  readonly scope: 'local' | 'fleet'
  readonly reason: string
  readonly by: string
  readonly at: number
  readonly term: number
  readonly seq: number
  readonly counts: Counts
  /** Who told of it. */
  readonly instance: string
  readonly state?: BreakerView
}

/** What became of a message to one receiver. */
export interface OutcomeView {
  readonly organization: string
  readonly alertId: string
  readonly receiver: string
  readonly channel: string
  readonly state: string
  readonly reason?: string
  readonly at: number
  readonly instance: string
}

/** What a limiter said of one request. `organization` is the key that was asked for. */
export interface DecisionView {
  readonly organization: string
  readonly allowed: boolean
  readonly degraded: boolean
  readonly retryAfterMs: number
  readonly limits: readonly { readonly name: string; readonly limit: number; readonly remaining: number }[]
  readonly at: number
  readonly instance: string
}

/** A dead letter that is new; what it holds has to be asked for. */
export interface LetterEventView {
  readonly id: string
  readonly organization: string
  readonly channel: string
  readonly errorType: string
  readonly messageId: string
  readonly at: number
  readonly instance: string
}

/** What happened within one stretch of time, of `activity.bucketMs`. */
export interface Bucket {
  readonly at: number
  /** By channel and state. */
  readonly outcomes: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly decisions: readonly LimitUse[]
}

export interface LimitUse {
  readonly organization: string
  readonly name: string
  readonly allowed: number
  readonly refused: number
  /** Of both, those that were decided without the store. */
  readonly degraded: number
}

/**
 * How an instance stands to the fleet, as far as this one knows. `agrees`: it has read as far, and holds the same. `lags`:
 * it has read less. `differs`: it has read as far, and holds something else. `cutOff`: it says that it has no link to the
 * log. `silent`: it has not answered lately: gone, stuck, or cut off.
 */
export type Standing = 'agrees' | 'lags' | 'differs' | 'cutOff' | 'silent'

export interface InstanceView {
  readonly instance: string
  readonly standing: Standing
  /** When it was heard last. */
  readonly heardAt: number
  readonly startedAt: number
  /** The place of the last message of the log that it has read. */
  readonly seq: number
  /** Breakers that it alone holds otherwise than the fleet, at most 16. */
  readonly own: readonly { readonly breaker: string; readonly mode: Mode; readonly reason: string }[]
}

export interface FleetView {
  readonly total: number
  readonly standings: Readonly<Record<Standing, number>>
  /** The worst first, at most 60; an organization is told how many, not which. */
  readonly instances: readonly InstanceView[]
}

export interface TierView {
  readonly hits: number
  readonly misses: number
  readonly unanswered: number
}

export interface CacheView {
  readonly hits: number
  readonly misses: number
  readonly stale: number
  readonly loads: number
  readonly hitRate: number
  readonly entries: number
  readonly bytes: number
  readonly tiers: { readonly local: TierView; readonly shared: TierView }
}

/** What changes all the time: once a second, to whoever watches. */
export interface Summary {
  readonly at: number
  /** The last two: the one before may have got something since. */
  readonly buckets: readonly Bucket[]
  readonly fleet: FleetView
  readonly cache: CacheView
}

export interface DashboardView {
  readonly at: number
  readonly fleet: string
  readonly instance: string
  /** Whose eyes these are: absent for the operator, who sees all and may order breakers. */
  readonly organization?: string
  /** Those that the caller may ask for. */
  readonly organizations: readonly string[]
  readonly breakers: readonly BreakerView[]
  /** The oldest first. */
  readonly transitions: readonly TransitionView[]
  readonly activity: { readonly bucketMs: number; readonly buckets: readonly Bucket[] }
  readonly summary: Summary
}
