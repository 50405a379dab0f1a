import type { DeliverPlan } from './deliver-options.ts'
import type { AskedFor, Delivery } from './delivery.ts'
import type { Destinations } from './destinations.ts'

/** Where an item goes, what it is limited by, how long it is worth sending: all of it the caller's to say, who may throw. */
export function placeDelivery(
  plan: DeliverPlan,
  delivery: Delivery,
  destinations: Destinations,
  onAbort: (delivery: Delivery) => void,
): void {
  const { key, limit, maxAgeOf, signalOf, breakerOf } = plan
  const { item } = delivery
  // It counts as one of the usual destination until it is known to be another's.
  if (key !== undefined) delivery.key = key(item)
  const breaker = breakerOf?.(item)
  if (breaker !== undefined) {
    const place = destinations.of(breaker)
    place.inHand += 1
    destinations.left(delivery.place)
    delivery.place = place
  }
  if (limit !== undefined) delivery.limit = askedFor(limit, item, delivery.key)
  if (maxAgeOf !== undefined) delivery.expiresAt = expiryOf(plan, maxAgeOf(item), delivery)
  const signal = signalOf?.(item)
  if (signal === undefined) return
  const listener = (): void => onAbort(delivery)
  delivery.abort = { signal, listener }
  signal.addEventListener('abort', listener, { once: true })
}

/** A time that makes no sense is none. */
function expiryOf({ acceptedAt, clock }: DeliverPlan, maxAgeMs: number, { item, takenAt }: Delivery): number {
  const ageMs = acceptedAt === undefined ? 0 : clock.now() - acceptedAt(item)
  const expiresAt = takenAt + maxAgeMs - ageMs
  return Number.isNaN(expiresAt) ? Infinity : expiresAt
}

function askedFor(limit: NonNullable<DeliverPlan['limit']>, item: unknown, ofItem: string): AskedFor | undefined {
  const key = limit.key === undefined ? ofItem : limit.key(item)
  const { names } = limit
  if (typeof names !== 'function') return { key, names, id: key, isAllowed: false, decision: undefined }
  const ofNames = names(item)
  if (ofNames === undefined) return undefined
  return { key, names: ofNames, id: JSON.stringify([key, ofNames]), isAllowed: false, decision: undefined }
}
