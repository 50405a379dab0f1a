import type { Decision, Limiter } from 'switchgear'
import type { NewAlert } from '../store/new-alert.ts'
import { bookAlerts, type Booking } from './book-alerts.ts'

/** The alerts of one request. */
export type Request = readonly NewAlert[]

/** Requests that share a booking: what one of them is given back is given back by all. */
export interface BookedTogether {
  readonly requests: readonly Request[]
  readonly booking: Booking
}

/**
 * Books for requests that came at the same time and whose alerts are all new: those of an organization ask together, and each
 * by itself where there is no room for all of them. One that names several organizations asks for itself.
 */
export function bookingTogether(
  limiter: Pick<Limiter, 'check' | 'peek' | 'refund'>,
): (requests: readonly Request[]) => Promise<readonly BookedTogether[]> {
  /** Of organizations, as it was last heard: a question whose answer is clear would count as refused. */
  const left = new Map<string, number>()

  async function book(requests: readonly Request[]): Promise<readonly BookedTogether[]> {
    const counts = countsOf(requests.flat())
    if (requests.length > 1 && !mayHaveRoom(counts)) return alone(requests)
    const booking = await bookAlerts(limiter, counts)
    remember(counts, booking.decision)
    return booking.status === 'booked' || requests.length === 1 ? [{ requests, booking }] : alone(requests)
  }

  async function alone(requests: readonly Request[]): Promise<readonly BookedTogether[]> {
    return (await Promise.all(requests.map((request) => book([request])))).flat()
  }

  function remember(counts: ReadonlyMap<string, number>, decision: Decision | undefined): void {
    const [organization, another] = counts.keys()
    if (organization === undefined || another !== undefined) return
    for (const { remaining } of decision?.limits ?? []) left.set(organization, remaining)
  }

  function mayHaveRoom(counts: ReadonlyMap<string, number>): boolean {
    return [...counts].every(([organization, count]) => count <= (left.get(organization) ?? Infinity))
  }

  return async (requests) => (await Promise.all(alike(requests).map(book))).flat()
}

/** In groups of which each is of one organization, but for requests that are of several. */
function alike(requests: readonly Request[]): readonly (readonly Request[])[] {
  const groups = new Map<unknown, Request[]>()
  for (const request of requests) {
    const organization = request[0]?.organization
    const key = request.every((alert) => alert.organization === organization) ? organization : request
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [request])
    else group.push(request)
  }
  return [...groups.values()]
}

function countsOf(alerts: readonly NewAlert[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { organization } of alerts) counts.set(organization, (counts.get(organization) ?? 0) + 1)
  return counts
}
