import type { Target } from '../config/organizations.ts'
import type { StoredAlert } from '../store/stored-alert.ts'

/** One attempt to send one message. */
export interface Sending<Kind extends Target['kind'] = Target['kind']> {
  /** The same in every attempt and every process: by this the other side can tell a repetition. */
  readonly messageId: string
  readonly alert: StoredAlert
  readonly receiver: string
  readonly target: Extract<Target, { kind: Kind }>
  /** Recipients that were reached already; a channel that reaches several adds to it. */
  readonly reached: Set<string>
  /** Recipients that were refused for good, each with the reply; a channel that reaches several adds to it. */
  readonly refused: Map<string, string>
  readonly signal: AbortSignal
  /** W3C trace context that the other side may go on with. */
  readonly traceparent?: string | undefined
}

/** A way out. Resolves when the other side has taken the message. */
export interface Channel<Kind extends Target['kind'] = Target['kind']> {
  send(sending: Sending<Kind>): Promise<void>
  /** Ends what it opened. */
  close(): Promise<void>
}
