import { withTimeout } from '../../kernel/timeout.ts'
import type { Call } from '../../machines/breaker-options.ts'
import type { Clock } from '../../ports/clock.ts'

export interface WorkBounds {
  readonly clock: Clock
  /** How long one attempt may take, in ms. */
  readonly timeoutMs: number | undefined
  /** Monotonic: the end of the whole call; `Infinity` for none. */
  readonly deadlineAt: number
  readonly breaker: string
}

/** One attempt, within its time. The breaker sees a timeout as the work's failure; so does it see the end of the deadline. */
export function boundedWork<T>(work: (call: Call) => Promise<T> | T, call: Call, bounds: WorkBounds): Promise<T> | T {
  const { clock, deadlineAt } = bounds
  const leftMs = deadlineAt === Infinity ? Infinity : Math.max(1, deadlineAt - clock.monotonic())
  const timeoutMs = Math.min(bounds.timeoutMs ?? Infinity, leftMs)
  if (timeoutMs === Infinity) return work(call)
  const { probe } = call
  return withTimeout((timed) => work(probe === undefined ? timed : { signal: timed.signal, probe }), {
    clock,
    timeoutMs,
    signal: call.signal,
    what: `the work of a call through breaker "${bounds.breaker}"`,
  })
}
