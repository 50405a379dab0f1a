import type { Severity, Status } from '../intake/alert-schema.ts'
import type { ChannelName } from './stored-alert.ts'

/** An alert on its way into the store. */
export interface NewAlert {
  readonly organization: string
  readonly id: string
  /** Set when the id is the caller's: the same id with the same fingerprint is the same alert. */
  readonly fingerprint?: string | undefined
  readonly dedupKey?: string | undefined
  readonly dedupWindowMs: number
  readonly maxAgeMs: number
  readonly severity: Severity
  readonly status: Status
  readonly type: string
  readonly title: string
  readonly message: string
  readonly labels: Readonly<Record<string, string>>
  readonly occurredAt?: number | undefined
  /** W3C trace context of who sent it, for the sends that follow. */
  readonly traceparent?: string | undefined
  /** Whether a receiver that misses it, since its destination is out, is told so afterwards; false. */
  readonly isToldIfMissed?: boolean
  /** Who gets it, unless it turns out to be a duplicate. */
  readonly receivers: readonly NewReceiver[]
}

export interface NewReceiver {
  /** The message's id. */
  readonly id: string
  readonly name: string
  readonly channel: ChannelName
  readonly destination: string
  /** The group that it waits with, and how long, in ms; what is silenced has none. */
  readonly group?: { readonly key: string; readonly waitMs: number } | undefined
  /** Who silenced it, and why; then nothing is sent. */
  readonly silenced?: string | undefined
}
