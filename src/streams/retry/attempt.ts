/** What the work is told of its attempt. */
export interface Attempt {
  /** 1 is the first. */
  readonly number: number
  /** Aborts when the deadline passes or the caller gives up, with the reason. Made when it is first read. */
  readonly signal: AbortSignal
}

/** An attempt whose signal costs nothing until it is read. A class, since every call makes one. */
export class LazyAttempt implements Attempt {
  readonly number: number
  #call: { readonly signal: AbortSignal } | undefined

  constructor(number: number, call?: { readonly signal: AbortSignal }) {
    this.number = number
    this.#call = call
  }

  get signal(): AbortSignal {
    this.#call ??= new AbortController()
    return this.#call.signal
  }
}
