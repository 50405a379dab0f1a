import type { DeliverBreaker } from './deliver-options.ts'
import { Destination, type DestinationParts } from './destination.ts'

/** The destinations for which something is in hand. */
export class Destinations {
  /** That of all items where there is one breaker, or none. */
  readonly usual: Destination
  readonly #parts: DestinationParts
  readonly #byBreaker = new Map<DeliverBreaker, Destination>()

  constructor(breaker: DeliverBreaker | undefined, parts: DestinationParts) {
    this.#parts = parts
    this.usual = new Destination(breaker, parts)
  }

  of(breaker: DeliverBreaker): Destination {
    const known = this.#byBreaker.get(breaker)
    if (known !== undefined) return known
    const made = new Destination(breaker, this.#parts)
    this.#byBreaker.set(breaker, made)
    return made
  }

  /** One that was for it has left. What is known of the usual one stays: by it a source is asked for more, or not. */
  left(destination: Destination): void {
    destination.inHand -= 1
    if (destination.inHand > 0 || destination === this.usual) return
    destination.close()
    if (destination.breaker !== undefined) this.#byBreaker.delete(destination.breaker)
  }

  close(): void {
    this.usual.close()
    for (const destination of this.#byBreaker.values()) destination.close()
  }
}
