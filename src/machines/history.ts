import type { StoredMessage } from '../ports/event-log.ts'
import type { BreakerEvent } from './breaker-events.ts'
import { fold, unread } from './fold.ts'

/** An entry of a breaker's history, with whether the fleet took it. */
export interface LogEntry {
  readonly seq: number
  readonly at: number
  readonly accepted: boolean
  /** Why not. */
  readonly why?: string
  readonly event: BreakerEvent
}

/** What the retained messages of a breaker say, oldest first, as its history, newest first. Those that cannot be read are left out. */
export function readHistory(messages: readonly StoredMessage[]): readonly LogEntry[] {
  const entries: LogEntry[] = []
  let position = unread
  for (const message of messages) {
    const next = fold(position, message)
    position = next.position
    const { verdict } = next
    if (verdict.event === undefined) continue
    const entry = { seq: message.seq, at: message.at, event: verdict.event }
    entries.push(verdict.accepted ? { ...entry, accepted: true } : { ...entry, accepted: false, why: verdict.why })
  }
  return entries.toReversed()
}
