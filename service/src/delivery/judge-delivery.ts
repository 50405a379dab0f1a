import type { Classify, Judgement } from 'switchgear'
import { PrivateAddressError } from '../channels/guarded-connector.ts'
import { HttpAnswerError } from '../channels/http-answer-error.ts'
import { RecipientsRefusedError } from '../channels/recipients-refused-error.ts'

/**
 * What an error says of the destination. Who refuses a recipient for good, answers 4xx or asks to wait is alive; what was
 * never sent says nothing.
 */
export function judgeDelivery(error: unknown): Judgement | undefined {
  if (error instanceof PrivateAddressError) return 'ignored'
  if (error instanceof HttpAnswerError) return error.status < 500 ? 'success' : 'failure'
  if (error instanceof RecipientsRefusedError) return error.permanent ? 'success' : 'failure'
  return refusedMessage(error) ? 'success' : undefined
}

/** Which errors are worth another attempt; the library's own answer where this has none. */
export const classifyDelivery: Classify = (error) => {
  if (error instanceof PrivateAddressError) return { type: 'invalid', retryable: false }
  if (error instanceof RecipientsRefusedError)
    return error.permanent ? { type: 'rejected', retryable: false } : { type: 'server_error', retryable: true }
  // A redirect is not followed, and not followed again.
  if (error instanceof HttpAnswerError && error.status < 400) return { type: 'rejected', retryable: false }
  return undefined
}

/** The mail server took the recipients and refused the message, for good: too large, or not to its taste. */
function refusedMessage(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'EMESSAGE' || error.code === 'EENVELOPE') &&
    'permanent' in error &&
    error.permanent === true
  )
}
