import type { LetterDraft } from '../../ports/dead-letters.ts'
import type { DeadLetters } from '../../streams/dead-letters/dead-letter-queue.ts'
import type { Clause } from './contract.ts'

/** Bounds that a test asks for, to reach them; without them the adapter's own defaults. */
export interface DeadLettersBounds {
  readonly lettersMax?: number
  readonly bodyBytesMax?: number
}

export interface DeadLettersClause extends Clause<DeadLetters> {
  readonly bounds?: DeadLettersBounds
}

/** A letter to enqueue, from one organization on one channel. */
export function draft(messageId: string): LetterDraft {
  return { organization: 'acme', channel: 'email', messageId, payload: { messageId }, error: new Error('failed') }
}
