/** Thrown by a law that knows which part of what was given is to blame. */
export class BlameError extends Error {
  /** Such as `handlers.pay`. */
  readonly path: string

  constructor(path: string, message: string) {
    super(message)
    this.name = 'BlameError'
    this.path = path
  }
}
