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
  readonly #hasWindow: boolean

  constructor(settings: BreakerSettings) {
    this.#settings = settings
    this.#failureWindow = settings.failureRate && outcomeWindow(settings.failureRate.over)
    this.#slowWindow = settings.slowCallRate && outcomeWindow(settings.slowCallRate.over)
    this.#hasWindow = this.#failureWindow !== undefined || this.#slowWindow !== undefined
  }

  /** Counts a success where no window has to be asked; else it counts nothing, and says so. */
  countedSuccess(): boolean {
    if (this.#hasWindow) return false
    this.calls++
    this.consecutiveFailures = 0
    return true
  }

  /**
   * Counts one outcome and says which rule it trips, if any; a rule trips at `>=` its threshold. `durationMs` matters
   * only to a rule about slow calls, `nowMs` (monotonic) only to a window over time.
   */
  record(failed: boolean, durationMs: number, nowMs: number): string | undefined {
    this.calls++
    if (failed) this.failures++
    this.consecutiveFailures = failed ? this.consecutiveFailures + 1 : 0
    const exceeded = this.#hasWindow ? this.#recordInWindows(failed, durationMs, nowMs) : undefined
    return this.consecutiveFailures >= this.#settings.failureThreshold ? 'failureThreshold' : exceeded
  }

  #recordInWindows(failed: boolean, durationMs: number, nowMs: number): string | undefined {
    const { slowCallRate } = this.#settings
    const slow = slowCallRate !== undefined && durationMs >= slowCallRate.slowerThanMs
    if (slow) this.slow++
    this.#failureWindow?.record(failed, slow, nowMs)
    this.#slowWindow?.record(failed, slow, nowMs)
    return this.#exceededRate()
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

  /** Nothing bad would be lost with it. */
  get idle(): boolean {
    return this.consecutiveFailures === 0 && !this.#failureWindow?.failures && !this.#slowWindow?.slow
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
