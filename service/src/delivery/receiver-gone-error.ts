/** Nobody has this name any more: the configuration has changed since the alert was accepted. */
export class ReceiverGoneError extends Error {
  readonly type = 'invalid'
  readonly retryable = false

  constructor(receiver: string) {
    super(`the receiver "${receiver}" is no longer configured`)
    this.name = 'ReceiverGoneError'
  }
}
