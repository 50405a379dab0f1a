import { classify } from 'switchgear'

/** How long the destination asks to be left alone, in ms: 429 and 503 with a `Retry-After` that can be understood; else 0. */
export function askedToWaitMs(error: unknown): number {
  const { status, retryAfterMs = 0 } = classify(error)
  return error instanceof Error && (status === 429 || status === 503) ? retryAfterMs : 0
}
