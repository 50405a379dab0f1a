import type { BreakerRefusal } from '../kernel/errors.ts'
import type { BreakerState } from './breaker-state.ts'
import type { Admission } from './gate.ts'
import { explainReason } from './transition.ts'

/** What whoever a refusal names has done. */
const deeds = Object.freeze({ open: 'opened', halfOpen: 'probed', forcedOpen: 'ordered' } as const)

/** What a call is refused with: until when, and by whom and why the breaker is not closed. Pure. */
export function describeRefusal(
  breaker: string,
  { mode, waitMs }: Admission & { readonly kind: 'refuse' },
  state: BreakerState,
  wallNow: number,
): BreakerRefusal {
  const who = mode === 'halfOpen' ? (state.probe?.holder ?? state.by) : state.by
  const whose = who === '' ? '' : `, ${deeds[mode]} by ${who}`
  return {
    breaker,
    mode,
    retryAfterMs: waitMs,
    retryAt: wallNow + waitMs,
    because: state.mode === 'closed' ? '' : explainReason(state.reason, state.counts) + whose,
  }
}
