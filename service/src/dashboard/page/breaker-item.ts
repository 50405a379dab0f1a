import { span } from './format.ts'
import type { BreakerView, InstanceView } from './wire.ts'

/** A breaker with the instances that hold it otherwise than the fleet. */
export interface BreakerItem {
  readonly breaker: BreakerView
  readonly alone: readonly InstanceView[]
  readonly windowMs: number
}

/** When the next probe may be made: by the first call that comes then. */
export function probeIn(retryAt: number | undefined, now: number): string {
  if (retryAt === undefined) return 'no probe'
  return retryAt > now ? `probe in ${span(retryAt - now)}` : 'probe with the next call'
}
