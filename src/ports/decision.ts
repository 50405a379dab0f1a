import { channel } from 'node:diagnostics_channel'
import type { Decision, LimitState } from './limiter.ts'

const decisions = channel('switchgear:limit')

/** Tells whoever listens on `switchgear:limit` of `node:diagnostics_channel` what was decided about a key. */
export function tellDecision(key: string, decision: Decision): void {
  if (decisions.hasSubscribers) decisions.publish({ key, decision })
}

/** What is decided, without its headers. */
export type DecisionFacts = Omit<Decision, 'headers'>

/** A decision of these facts. Its headers are made when they are asked for. */
export function makeDecision(facts: DecisionFacts): Decision {
  return new MadeDecision(facts)
}

/** Decisions of one store, each with what it booked, if anything; nobody else sees that. */
export interface Bookings<B extends object> {
  make(facts: DecisionFacts, booking: B | undefined): Decision
  /** What a decision of this store booked: once, and `undefined` from then on. */
  take(decision: Decision): B | undefined
}

/** A private field, since there is one for each request, and an entry of a WeakMap costs ten times as much. */
export function bookingsOf<B extends object>(): Bookings<B> {
  class BookedDecision extends MadeDecision {
    #booking: B | undefined

    constructor(facts: DecisionFacts, booking: B | undefined) {
      super(facts)
      this.#booking = booking
    }

    static take(decision: Decision): B | undefined {
      if (!(#booking in decision)) return undefined
      const booking = decision.#booking
      decision.#booking = undefined
      return booking
    }
  }
  return {
    make: (facts, booking) => new BookedDecision(facts, booking),
    take: (decision) => BookedDecision.take(decision),
  }
}

class MadeDecision implements Decision {
  readonly allowed: boolean
  readonly degraded: boolean
  readonly retryAfterMs: number
  readonly limits: readonly LimitState[]

  constructor({ allowed, degraded, retryAfterMs, limits }: DecisionFacts) {
    this.allowed = allowed
    this.degraded = degraded
    this.retryAfterMs = retryAfterMs
    this.limits = limits
  }

  headers(): Record<string, string> {
    return headersOf(this)
  }
}

/** The draft lets `RateLimit` be left out, and nobody knows what is left while the store cannot be asked. */
function headersOf({ allowed, degraded, retryAfterMs, limits }: DecisionFacts): Record<string, string> {
  const headers: Record<string, string> = {}
  const comeBackMs = !allowed && Number.isFinite(retryAfterMs) ? retryAfterMs : undefined
  const tightest = limits.toSorted(byTightness)[0]
  if (tightest !== undefined) {
    headers['X-RateLimit-Limit'] = String(tightest.limit)
    headers['RateLimit-Policy'] = limits.map(policyOf).join(', ')
  }
  if (tightest !== undefined && !degraded) {
    headers['X-RateLimit-Remaining'] = String(tightest.remaining)
    headers['X-RateLimit-Reset'] = seconds(tightest.resetMs)
    headers['RateLimit'] = limits.map((limit) => standingOf(limit, comeBackMs)).join(', ')
  }
  if (comeBackMs !== undefined) headers['Retry-After'] = seconds(comeBackMs)
  return headers
}

/** Those that refuse come first, then the one with the least left. */
function byTightness(a: LimitState, b: LimitState): number {
  return Number(b.exceeded) - Number(a.exceeded) || a.remaining - b.remaining || b.resetMs - a.resetMs
}

function policyOf({ name, limit, windowMs }: LimitState): string {
  return `${quoted(name)};q=${limit};w=${seconds(windowMs)}`
}

/** Where a limit refuses, the draft wants `t` and `Retry-After` to mean the same moment. */
function standingOf({ name, remaining, resetMs, exceeded }: LimitState, comeBackMs: number | undefined): string {
  const nextMs = exceeded ? (comeBackMs ?? resetMs) : resetMs
  return `${quoted(name)};r=${remaining};t=${seconds(nextMs)}`
}

/** Whole seconds, rounded up: nobody comes back too early. */
function seconds(ms: number): string {
  return String(Math.ceil(ms / 1_000))
}

/**
 * A name as a string of a structured field, which is printable ASCII: what else it holds, and `%`, is percent-encoded.
 * @see https://www.rfc-editor.org/rfc/rfc9651#section-3.3.3
 */
function quoted(name: string): string {
  const ascii = name.replaceAll(/[^\u0020-\u007e]+|%/gu, (other) => (other === '%' ? '%25' : encodeURIComponent(other)))
  return `"${ascii.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}
