/** The destination is being held back: nothing was sent. */
export class HeldBackError extends Error {
  /** How much longer, in ms. */
  readonly leftMs: number

  constructor(destination: string, leftMs: number) {
    super(`${destination} asked to be left alone for another ${Math.ceil(leftMs / 1_000)} s`)
    this.name = 'HeldBackError'
    this.leftMs = leftMs
  }
}

/** The destination answered, and asked to be left alone for a while. */
export class AskedToWaitError extends Error {
  /** From its answer, in ms. */
  readonly waitMs: number
  readonly status: number

  constructor(waitMs: number, status: number, cause: Error) {
    super(cause.message, { cause })
    this.name = 'AskedToWaitError'
    this.waitMs = waitMs
    this.status = status
  }
}

/** The message has waited longer than its organization lets it. */
export class ExpiredError extends Error {
  constructor() {
    super('it waited longer than maxAgeMs')
    this.name = 'ExpiredError'
  }
}

/** The service is stopping: the message goes back into the store as it is. */
export class HandedBackError extends Error {
  constructor(options?: { readonly cause: unknown }) {
    super('the service is stopping', options)
    this.name = 'HandedBackError'
  }
}

/** The breaker of the destination is open: nothing was sent. */
export class DestinationRefusedError extends Error {
  readonly type = 'circuit_open'
  readonly retryable = false

  constructor(retryAfterMs: number | undefined) {
    const known = retryAfterMs !== undefined && Number.isFinite(retryAfterMs)
    super(`the destination's breaker is open${known ? ` for another ${Math.ceil(retryAfterMs / 1_000)} s` : ''}`)
    this.name = 'DestinationRefusedError'
  }
}

/** Nobody has this name any more: the configuration has changed since the alert was accepted. */
export class ReceiverGoneError extends Error {
  readonly type = 'invalid'
  readonly retryable = false

  constructor(receiver: string) {
    super(`the receiver "${receiver}" is no longer configured`)
    this.name = 'ReceiverGoneError'
  }
}
