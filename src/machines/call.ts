import type { BreakerOpenError } from '../kernel/errors.ts'
import type { Call } from './breaker-options.ts'

/** A call's signal is made when it is read; in the closed state without a deadline nothing aborts it. */
export class LazyCall implements Call {
  #signal: AbortSignal | undefined

  get signal(): AbortSignal {
    return (this.#signal ??= new AbortController().signal)
  }
}

export function probeCall(call: { readonly signal: AbortSignal }, probe: NonNullable<Call['probe']>): Call {
  return {
    get signal() {
      return call.signal
    },
    probe,
  }
}

/**
 * Rejects one microtask later. What rejects before its caller has attached a handler is noted by Node as unhandled, and
 * taken off again, which costs five times as much.
 */
export function refuse(error: BreakerOpenError): Promise<never> {
  return new Promise((_, reject) => {
    void soon.then(() => reject(error))
  })
}

const soon = Promise.resolve()

/** Starts the work in the same tick; what it throws at once is a rejection. */
export function attempt<T>(work: (call: Call) => Promise<T> | T): Promise<T> {
  try {
    return Promise.resolve(work(new LazyCall()))
  } catch (error) {
    return Promise.reject(error)
  }
}
