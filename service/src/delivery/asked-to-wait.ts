import { classify } from 'switchgear'
import { AskedToWaitError } from './delivery-errors.ts'

/**
 * An answer that says when to come back: 429 and 503 with a `Retry-After` that can be understood. Nobody is made to wait
 * longer than messages are worth sending.
 */
export function askedToWait(error: unknown, waitMsMax: number): AskedToWaitError | undefined {
  const { status, retryAfterMs } = classify(error)
  if (!(error instanceof Error) || retryAfterMs === undefined || retryAfterMs <= 0) return undefined
  if (status !== 429 && status !== 503) return undefined
  return new AskedToWaitError(Math.min(retryAfterMs, waitMsMax), status, error)
}
