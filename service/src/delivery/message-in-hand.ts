import type { Receiver } from '../config/organizations.ts'
import type { Claimed } from '../store/stored-alert.ts'
import { type AttemptLog, attemptLog } from './attempt-log.ts'

/** A claimed message on its way, with what has become of it so far. */
export interface MessageInHand {
  readonly message: Claimed
  /** As it is configured now; `undefined` when it is not any more. */
  readonly receiver: Receiver | undefined
  readonly attempts: AttemptLog
  /** Recipients who have it, where there are several. */
  readonly reached: Set<string>
  /** Recipients who were refused for good, with the reply. */
  readonly refused: Map<string, string>
}

export function messageInHand(message: Claimed, receiver: Receiver | undefined): MessageInHand {
  return {
    message,
    receiver,
    attempts: attemptLog(message.attempts),
    reached: new Set(message.reached),
    refused: new Map(Object.entries(message.refused)),
  }
}
