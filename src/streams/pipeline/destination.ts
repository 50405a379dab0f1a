import type { Subscription } from 'rxjs'
import type { BreakerOpenError } from '../../kernel/errors.ts'
import { durationMsMax } from '../../kernel/options.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { DeliverBreaker } from './deliver-options.ts'
import type { DestinationHolds } from './destination-holds.ts'

/** How long to wait, in ms, while a probe is just under way: what comes of it is known soon. */
const askAgainMs = 100

export interface DestinationParts {
  readonly clock: Clock
  readonly holds: DestinationHolds
  /** Whether items wait while the breaker is open. */
  readonly waits: boolean
  /** Items may be sent to it that could not be before: all, or one to try. */
  onLets(destination: Destination): void
  /** Nothing is sent to it for a while. Not to be answered in the same turn: somebody is in the middle of something. */
  onShut(destination: Destination): void
}

/**
 * Where items go that share a breaker. While that is open, or the other side asked to be left alone, nothing is sent;
 * when it is time, one item goes first, and the others when that went well.
 */
export class Destination {
  readonly breaker: DeliverBreaker | undefined
  /** An attempt needs no signal but ours, while the breaker lets all pass. */
  readonly isBare: boolean
  /** Items in hand that are for it. */
  inHand = 0
  readonly #parts: DestinationParts
  #state: 'open' | 'one' | 'shut' = 'open'
  #timer: Timer | undefined
  #watch: Subscription | undefined

  constructor(breaker: DeliverBreaker | undefined, parts: DestinationParts) {
    this.breaker = breaker
    this.isBare = breaker?.settings.timeoutMs === undefined
    this.#parts = parts
  }

  get name(): string {
    return this.breaker?.name ?? ''
  }

  get passes(): boolean {
    return this.breaker === undefined || this.breaker.passes
  }

  /** Whether an item may be sent now. Only whoever then does not `begin` may ask twice. */
  get lets(): boolean {
    if (this.#state !== 'open') return this.#state === 'one'
    if ((this.passes || !this.#parts.waits) && this.#parts.holds.leftMs(this.name) <= 0) return true
    this.review()
    return this.isLetting
  }

  /** The same as it was found last. */
  get isLetting(): boolean {
    return this.#state !== 'shut'
  }

  /** An item is being sent. Says whether it is the one that is sent to try: whoever has it reviews when it knows more. */
  begin(): boolean {
    if (this.#state !== 'one') return false
    this.#setState('shut')
    return true
  }

  /** How much longer nothing is sent to it, in ms, as far as that is known; 0 while one is being sent to try. */
  get shutForMs(): number {
    if (this.#state !== 'shut') return 0
    const refusedMs = this.passes || !this.#parts.waits ? undefined : this.breaker?.refusedForMs()
    return Math.max(this.#parts.holds.leftMs(this.name), refusedMs ?? 0)
  }

  /** Looks where it stands. */
  review(): void {
    const { holds, waits } = this.#parts
    const heldMs = holds.leftMs(this.name)
    if (heldMs > 0) return this.#shutFor(heldMs)
    if (this.passes || !waits) return this.#setState('open')
    const refusedMs = this.breaker?.refusedForMs()
    if (refusedMs === undefined) this.#setState('one')
    else this.#shutFor(refusedMs)
  }

  /** Its breaker has refused an item. */
  refused({ retryAfterMs }: BreakerOpenError): void {
    if (this.passes) return this.review()
    this.#shutFor(Math.max(retryAfterMs, this.#parts.holds.leftMs(this.name)))
  }

  /** It asked to be left alone. */
  hold(forMs: number): void {
    this.#parts.holds.hold(this.name, forMs)
    this.review()
  }

  /** Nothing is for it any more: whoever comes next finds out anew where it stands. */
  close(): void {
    this.#stopWaiting()
    this.#state = 'open'
  }

  #shutFor(ms: number): void {
    this.#stopWaiting()
    this.#state = 'shut'
    if (Number.isFinite(ms)) {
      const waitMs = ms > 0 ? Math.min(ms, durationMsMax) : askAgainMs
      this.#timer = this.#parts.clock.setTimeout(() => this.#due(), waitMs, { keepAlive: true })
    }
    // The first value comes at once, and says what is known.
    let isNews = false
    this.#watch = this.breaker?.state$.subscribe(() => {
      if (isNews && this.passes) this.review()
    })
    isNews = true
    this.#parts.onShut(this)
  }

  /** The time is over for which it was left alone: one is sent to try, also where the breaker has nothing against all. */
  #due(): void {
    const { holds, waits } = this.#parts
    const heldMs = holds.leftMs(this.name)
    const refusedMs = waits ? this.breaker?.refusedForMs() : undefined
    if (heldMs > 0 || refusedMs !== undefined) this.#shutFor(Math.max(heldMs, refusedMs ?? 0))
    else this.#setState('one')
  }

  #setState(state: 'open' | 'one' | 'shut'): void {
    this.#stopWaiting()
    const wasShut = this.#state === 'shut'
    this.#state = state
    if (wasShut && state !== 'shut') this.#parts.onLets(this)
  }

  #stopWaiting(): void {
    if (this.#timer !== undefined) this.#parts.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#watch?.unsubscribe()
    this.#watch = undefined
  }
}
