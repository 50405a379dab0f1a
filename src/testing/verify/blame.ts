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

/** Settles as the promise does; where that waits for what is not on the virtual clock, a handler is to blame. */
export async function blamingWaits<T>(
  of: { readonly name: string; readonly handler: unknown },
  promise: Promise<T>,
): Promise<T> {
  try {
    return await promise
  } catch (error) {
    const isStuck = error instanceof Error && error.message.startsWith('virtual clock:')
    if (!isStuck || of.handler === undefined) throw error
    const what = `the handler of "${of.name}" waits for something else than the transport: time is virtual here, and a timer, a socket or a file of its own is not waited for`
    throw new BlameError(`handlers.${of.name}`, what)
  }
}
