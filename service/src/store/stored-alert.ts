import type { ReceiverConfig } from '../config/schema.ts'
import type { Severity, Status } from '../intake/alert-schema.ts'

/** An alert as it stands in the store. Instants are ms since the epoch. */
export interface StoredAlert {
  readonly organization: string
  readonly id: string
  readonly dedupKey?: string
  readonly duplicateOf?: string
  readonly severity: Severity
  readonly status: Status
  readonly type: string
  readonly title: string
  readonly message: string
  readonly labels: Readonly<Record<string, string>>
  readonly occurredAt?: number
  readonly acceptedAt: number
  /** There in a message that speaks for several alerts: how many, and what the first of them are called. */
  readonly group?: { readonly count: number; readonly titles: readonly string[] }
}

export type ChannelName = ReceiverConfig['channel']

/** What has become of a message to one receiver. */
export type ReceiverState = 'pending' | 'delivered' | 'deadLettered' | 'refused' | 'failed' | 'silenced'

/** One try to send. */
export interface AttemptRecord {
  readonly at: number
  readonly error?: string
}

/** What people see of a message to one receiver. */
export interface ReceiverView {
  readonly name: string
  readonly channel: ChannelName
  readonly state: ReceiverState
  readonly reason?: string
  readonly attempts: readonly AttemptRecord[]
  readonly lastError?: string
  readonly letterId?: string
}

/** A message that a worker has claimed, with all that is needed to send it. */
export interface Claimed {
  /** The message's own id: the same for every attempt, in every process. */
  readonly id: string
  readonly alert: StoredAlert
  readonly receiver: string
  readonly channel: ChannelName
  readonly destination: string
  readonly attempts: readonly AttemptRecord[]
  /** Recipients that an earlier attempt reached. */
  readonly reached: readonly string[]
  /** Recipients that an earlier attempt heard were refused for good, with the reply. */
  readonly refused: Readonly<Record<string, string>>
  /** How much of its age is left, in ms; negative when it is over. */
  readonly leftMs: number
  /** W3C trace context of who sent the alert; of a group, its first. */
  readonly traceparent?: string
}
