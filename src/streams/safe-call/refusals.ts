import { ClosedError, OverCapacityError } from '../../kernel/errors.ts'
import type { Refused } from '../../kernel/outcome.ts'
import type { Decision } from '../../ports/limiter.ts'

export const closing: Refused = Object.freeze({ status: 'refused', reason: 'closing' })
export const aborted: Refused = Object.freeze({ status: 'refused', reason: 'aborted' })
export const overCapacity: Refused = Object.freeze({ status: 'refused', reason: 'overCapacity' })

export function breakerOpen(retryAfterMs: number): Refused {
  return { status: 'refused', reason: 'breakerOpen', retryAfterMs }
}

export function rateLimited({ retryAfterMs }: Decision): Refused {
  return { status: 'refused', reason: 'rateLimited', ...(typeof retryAfterMs === 'number' && { retryAfterMs }) }
}

/** What this instance says of a call before its work is called. */
export function refusalOf(error: unknown): Refused | undefined {
  if (error instanceof ClosedError) return closing
  return error instanceof OverCapacityError ? overCapacity : undefined
}
