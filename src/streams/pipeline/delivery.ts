import type { Call } from '../../machines/breaker-options.ts'
import type { Timer } from '../../ports/clock.ts'
import type { TakenItem } from '../../ports/item-source.ts'
import type { Decision, LimitNames } from '../../ports/limiter.ts'
import type { RetryRun } from '../retry/retry-run.ts'
import type { Chain } from './chain.ts'
import type { Destination } from './destination.ts'
import type { Queued } from './fair-lanes.ts'

/** An item in hand, from when it was taken until its outcome is told and settled. A class, since each item makes one. */
export class Delivery implements Queued<Delivery> {
  chain: Chain<Delivery> | undefined
  before: Delivery | undefined
  after: Delivery | undefined
  readonly item: unknown
  /** Where it came from, if that is to be told. */
  readonly taken: TakenItem<unknown> | undefined
  /** Monotonic. */
  readonly takenAt: number
  key = ''
  place: Destination
  limit: AskedFor | undefined
  /** Monotonic: from when on it is too old. */
  expiresAt: number = Infinity
  /** Attempts that were begun. */
  attempts = 0
  /** Its outcome is known; whatever comes later is ignored. */
  over = false
  /** It is the one that was sent to try. */
  isTrial = false
  /** It was sent to try, and failed: another goes next, or it would use up its attempts for all. */
  hasTried = false
  /** Whether the work was called in the attempt under way. */
  entered = false
  retry: RetryRun | undefined
  /** Monotonic: since when it waits again. */
  waitsSince: number | undefined
  /** The wait between two attempts. */
  backoff: Timer | undefined
  /** The attempt under way. */
  call: AbortableCall | undefined
  /** The item's own signal, and what listens to it. */
  abort: { readonly signal: AbortSignal; readonly listener: () => void } | undefined

  /** It has a place, and nothing of it is under way: it waits between two attempts, or for the answer of a limiter. */
  get isResting(): boolean {
    return this.backoff !== undefined || (this.limit?.isAllowed === false && this.attempts === 0)
  }

  constructor(item: unknown, taken: TakenItem<unknown> | undefined, takenAt: number, place: Destination) {
    this.item = item
    this.taken = taken
    this.takenAt = takenAt
    this.place = place
  }
}

/** The limit that an item is under. */
export interface AskedFor {
  readonly key: string
  readonly names: LimitNames
  /** The same for all that are under the same limits of the same key. */
  readonly id: string
  /** Asked, and allowed, as far as the limiter can say. */
  isAllowed: boolean
  decision: Decision | undefined
}

/** What the work is given: a signal that is made when it is read. */
export class AbortableCall implements Call {
  #controller: AbortController | undefined
  #isAborted = false

  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal
    this.#controller = new AbortController()
    if (this.#isAborted) this.abort()
    return this.#controller.signal
  }

  /** Nobody waits for the work any more. */
  abort(): void {
    this.#isAborted = true
    this.#controller?.abort(new DOMException('nobody waits for this delivery any more', 'AbortError'))
  }
}
