import { TimeoutError } from './errors.ts'

/** As much of a clock as a timeout needs; the port `Clock` is one. */
export interface Timers<H> {
  monotonic(): number
  setTimeout(run: () => void, delayMs: number, options?: { readonly keepAlive?: boolean }): H
  clearTimeout(timer: H): void
}

export interface TimeoutOptions<H> {
  readonly clock: Timers<H>
  /** How long the work may take, in ms; without it only `signal` ends the wait. */
  readonly timeoutMs?: number | undefined
  /** The caller's. When it aborts, so does the work's, and the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined
  /** What takes too long, for the message: `a call through breaker "smtp"`. */
  readonly what: string
}

/**
 * Runs `work` and waits for it, but no longer than `timeoutMs`, nor after `signal` aborted: then it rejects at once, with a
 * `TimeoutError` or with the signal's reason, also when the work does not listen to its own signal. What the work does
 * afterwards is ignored, its late rejection too. Leaves no timer and no listener. Starts the work in the same tick, and
 * not at all when the signal is aborted already; never throws, whatever the work returns (a thenable that calls back
 * twice, one whose `then` throws). The work's `AbortController` is made when its `signal` is first read.
 */
export function withTimeout<T, H>(
  work: (call: { readonly signal: AbortSignal }) => Promise<T> | T,
  options: TimeoutOptions<H>,
): Promise<T> {
  const { clock, timeoutMs, signal } = options
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const own = lazySignal()
    let over = false
    let timer: H | undefined
    const end = (): boolean => {
      if (over) return false
      over = true
      if (timer !== undefined) clock.clearTimeout(timer)
      if (signal) EventTarget.prototype.removeEventListener.call(signal, 'abort', onAbort)
      return true
    }
    const giveUp = (reason: unknown): void => {
      if (!end()) return
      own.abort(reason)
      reject(reason)
    }
    const onAbort = (): void => giveUp(signal?.reason)
    // Not through the signal's own property: a signal that somebody has tampered with must not throw from a timer later.
    if (signal) EventTarget.prototype.addEventListener.call(signal, 'abort', onAbort, { once: true })
    if (timeoutMs !== undefined) {
      const startedAt = clock.monotonic()
      timer = clock.setTimeout(
        () => {
          const lateMs = Math.max(0, clock.monotonic() - startedAt - timeoutMs)
          giveUp(new TimeoutError(options.what, timeoutMs, lateMs))
        },
        timeoutMs,
        { keepAlive: true },
      )
    }
    // A promise of our own takes in what the work returns, since it alone is sure to settle at most once, and to wait
    // for a thenable's callback without trusting it.
    new Promise<T>((settle) => settle(work(own.call))).then(
      (value) => end() && resolve(value),
      (error: unknown) => end() && reject(error),
    )
  })
}

function lazySignal(): { readonly call: { readonly signal: AbortSignal }; abort(reason: unknown): void } {
  let controller: AbortController | undefined
  let aborted: { readonly reason: unknown } | undefined
  const call = {
    get signal(): AbortSignal {
      if (controller === undefined) {
        controller = new AbortController()
        if (aborted) controller.abort(aborted.reason)
      }
      return controller.signal
    },
  }
  const abort = (reason: unknown): void => {
    aborted = { reason }
    controller?.abort(reason)
  }
  return { call, abort }
}
