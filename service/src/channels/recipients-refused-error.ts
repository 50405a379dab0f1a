/** What a mail server said of one recipient. */
export interface RefusedRecipient {
  readonly recipient: string
  readonly reply: string
  /** 5yz: the same again will not pass. */
  readonly permanent: boolean
}

/**
 * A mail server answered, and refused some recipients, or all. Those that it took have the message and are not sent it
 * again.
 */
export class RecipientsRefusedError extends Error {
  readonly refused: readonly RefusedRecipient[]
  /** Whether nobody is left for whom trying again can help. */
  readonly permanent: boolean

  constructor(refused: readonly RefusedRecipient[], reached: number) {
    const others = reached === 0 ? '' : ` (${reached} other${reached === 1 ? '' : 's'} got it)`
    super(`${refused.map(({ recipient, reply }) => `${recipient}: ${reply}`).join('; ')}${others}`)
    this.name = 'RecipientsRefusedError'
    this.refused = refused
    this.permanent = refused.every(({ permanent }) => permanent)
  }
}
