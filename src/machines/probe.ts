import { TimeoutError } from '../kernel/errors.ts'
import { isOwnFault } from '../kernel/own-faults.ts'
import type { ProbeResult } from './breaker-decide.ts'
import type { Timer } from '../ports/clock.ts'

/** How long a call waits for its claim of the probe to be accepted, in ms. */
export const claimWaitMs = 1_000

/**
 * The probe that this instance runs, or is about to: the fleet's, under the lease of its fence, or its own. At most one
 * at a time.
 */
export interface Probe {
  readonly scope: 'fleet' | 'local'
  /** Only grows within a breaker; the fleet's is known once the claim is accepted. */
  token: ProbeToken
  /** The lease's, once the claim is accepted; none for a local probe. */
  fence?: string
  phase: 'claiming' | 'held' | 'running'
  /** Monotonic: when a result is overdue. */
  endsAt: number
  timer?: Timer
}

export interface ProbeToken {
  readonly term: number
  readonly attempt: number
}

/** Before the first probe; one object for all breakers. */
export const noToken: ProbeToken = Object.freeze({ term: 0, attempt: 0 })

/**
 * What an unfinished probe has shown when its time is over: nothing, if no call ever took it, nor if the timer of
 * `timerMs` came so late that this process must have stood still.
 */
export function overdueResult({ phase }: Probe, timerMs: number, lateMs: number): ProbeResult {
  return phase === 'running' && !isOwnFault(new TimeoutError('the probe', timerMs, lateMs)) ? 'hung' : 'ignored'
}
