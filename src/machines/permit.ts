import type { Call, Judgement } from './breaker-options.ts'
import type { Generation } from './generation.ts'

/** The right to make one call, for callback styles and streams. The first of the three counts, later ones change nothing. */
export interface Permit {
  /** Set when this call is the probe. */
  readonly probe?: Call['probe']
  success(): void
  /** The error is judged as one that `run` sees. */
  failure(error?: unknown): void
  /** It says nothing of the dependency. */
  ignore(): void
}

/** Where a permit's outcome is counted. */
interface Counting {
  succeed(generation: Generation, startedAt: number): void
  settle(generation: Generation, judgement: Judgement, startedAt: number): void
}

/** The permit of a call in the closed state. A class, since permits are made on the hot path. */
export class CallPermit implements Permit {
  /** Gone once the outcome is known. */
  #breaker: Counting | undefined
  readonly #generation: Generation
  readonly #startedAt: number

  constructor(breaker: Counting, generation: Generation, startedAt: number) {
    this.#breaker = breaker
    this.#generation = generation
    this.#startedAt = startedAt
  }

  success(): void {
    const breaker = this.#breaker
    this.#breaker = undefined
    breaker?.succeed(this.#generation, this.#startedAt)
  }

  failure(error?: unknown): void {
    const breaker = this.#breaker
    this.#breaker = undefined
    breaker?.settle(this.#generation, error === undefined ? 'failure' : this.#generation.judge(error), this.#startedAt)
  }

  ignore(): void {
    this.#breaker = undefined
  }
}
