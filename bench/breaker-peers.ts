import { circuitBreaker, type CircuitBreakerPolicy, ConsecutiveBreaker, handleAll } from 'cockatiel'
import { Circuit, SlidingCountBreaker } from 'mollitia'
import Opossum from 'opossum'

/** Out of reach: a breaker with it counts failures, and never trips. */
export const unreachable = 1_000_000_000

export function cockatielBreaker(failureThreshold = 5): CircuitBreakerPolicy {
  return circuitBreaker(handleAll, { halfOpenAfter: 3_600_000, breaker: new ConsecutiveBreaker(failureThreshold) })
}

/** Without its timeout, which ours has not either. */
export function opossumBreaker(work: () => Promise<number>): Opossum<[], number> {
  return new Opossum(work, { timeout: false, resetTimeout: 3_600_000 })
}

/** The volume that its rule asks for is out of reach. With percentiles it would sort all latencies at each failure. */
export function opossumThatNeverTrips(work: () => Promise<number>): Opossum<[], number> {
  return new Opossum(work, { timeout: false, volumeThreshold: unreachable, rollingPercentilesEnabled: false })
}

/** Over the last 10 calls; never trips with a threshold above 100 %. */
export function mollitiaBreaker(work: () => Promise<number>, failureRateThreshold = 50): Circuit {
  const breaker = new SlidingCountBreaker({ slidingWindowSize: 10, failureRateThreshold, openStateDelay: 3_600_000 })
  return new Circuit({ func: work, options: { modules: [breaker] } })
}
