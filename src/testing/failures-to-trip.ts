import { breakerSettings, type BreakerOptions, type RateRule } from '../machines/breaker-options.ts'

/** How many calls that fail, one after the other, trip a breaker; `Infinity` where none do. */
export function failuresToTrip(options: BreakerOptions): number {
  const { failureThreshold, failureRate } = breakerSettings(options)
  return Math.min(failureThreshold, failureRate === undefined ? Infinity : callsUntil(failureRate))
}

/** How many bad calls a rate rule waits for; more than its window can hold never come. */
function callsUntil({ minimumCalls, over }: RateRule): number {
  return 'calls' in over && over.calls < minimumCalls ? Infinity : minimumCalls
}
