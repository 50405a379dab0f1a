import type { Counts } from './breaker-events.ts'
import type { BreakerSettings, RateRule } from './breaker-options.ts'
import type { Digest } from './shared-evidence.ts'
import { outcomeWindow, type OutcomeWindow } from './outcome-window.ts'

/**
 * What one instance counted since its gate last changed. A class, since `record` is on the hot path; made when the first
 * outcome comes, so that a breaker that is never used has none.
 */
export class Evidence {
  calls = 0
  failures = 0
  slow = 0
  consecutiveFailures = 0
  readonly #settings: BreakerSettings
  readonly #failureWindow: OutcomeWindow | undefined
  readonly #slowWindow: OutcomeWindow | undefined

  constructor(settings: BreakerSettings) {
    this.#settings = settings
    this.#failureWindow = settings.failureRate && outcomeWindow(settings.failureRate.over)
    this.#slowWindow = settings.slowCallRate && outcomeWindow(settings.slowCallRate.over)
  }

  /**
   * Counts one outcome and says which rule it trips, if any; a rule trips at `>=` its threshold. `durationMs` matters
   * only to a rule about slow calls, `nowMs` (monotonic) only to a window over time.
   */
  record(failed: boolean, durationMs: number, nowMs: number): string | undefined {
    const { failureThreshold, slowCallRate } = this.#settings
    const slow = slowCallRate !== undefined && durationMs >= slowCallRate.slowerThanMs
    this.calls++
    if (slow) this.slow++
    if (failed) {
      this.failures++
      this.consecutiveFailures++
    } else {
      this.consecutiveFailures = 0
    }
    this.#failureWindow?.record(failed, slow, nowMs)
    this.#slowWindow?.record(failed, slow, nowMs)

    return this.consecutiveFailures >= failureThreshold ? 'failureThreshold' : this.#exceededRate()
  }

  /** Counts what another instance saw towards the rates, and says which rule that trips. */
  add(counts: Digest, nowMs: number): string | undefined {
    this.#failureWindow?.add(counts, nowMs)
    this.#slowWindow?.add(counts, nowMs)
    return this.#exceededRate()
  }

  #exceededRate(): string | undefined {
    const { failureRate, slowCallRate } = this.#settings
    if (this.#failureWindow !== undefined && exceeds(failureRate, this.#failureWindow, this.#failureWindow.failures))
      return 'failureRate'
    if (this.#slowWindow !== undefined && exceeds(slowCallRate, this.#slowWindow, this.#slowWindow.slow))
      return 'slowCallRate'
    return undefined
  }

  /** Nothing would be lost with it. */
  get idle(): boolean {
    return this.consecutiveFailures === 0 && this.#failureWindow === undefined && this.#slowWindow === undefined
  }

  /** For the event and for people: of the window that the tripping rule looks at, else since the gate last changed. */
  counts(rule?: string): Counts {
    const { calls, failures, slow } =
      (rule === 'failureRate' ? this.#failureWindow : rule === 'slowCallRate' ? this.#slowWindow : undefined) ?? this
    return { calls, failures, slow, consecutiveFailures: this.consecutiveFailures }
  }
}

function exceeds(rule: RateRule | undefined, { calls }: OutcomeWindow, count: number): boolean {
  return rule !== undefined && calls >= rule.minimumCalls && count / calls >= rule.threshold
}
