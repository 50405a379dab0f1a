import type { StoredMessage } from '../../src/ports/event-log.ts'
import { encodeEvent } from '../../src/machines/breaker-codec.ts'
import { decide, noCounts, type Intent, type Situation } from '../../src/machines/breaker-decide.ts'
import type { BreakerEvent } from '../../src/machines/breaker-events.ts'
import { breakerSettings, type BreakerOptions } from '../../src/machines/breaker-options.ts'
import { initialState, type FleetState } from '../../src/machines/fleet-state.ts'

export const options: BreakerOptions = {
  recoveryTimeoutMs: 1_000,
  recoveryBackoff: { jitter: 'none' },
  probe: { leaseMs: 2_000 },
}

/** What an instance decides on; whatever a test does not say is of no matter to it. */
export function situation(of: Partial<Situation> & { readonly options?: BreakerOptions } = {}): Situation {
  const logNow = of.logNow ?? 10_000
  return {
    breaker: 'smtp',
    fleet: 'default',
    instance: 'a',
    state: initialState,
    settings: breakerSettings({ ...options, ...of.options }),
    logNow,
    wallNow: logNow,
    chance: 0.5,
    id: `event ${logNow}`,
    ...of,
  }
}

export const trip = (term = 0): Intent => ({
  type: 'trip',
  term,
  reason: 'failureThreshold',
  counts: noCounts,
  recoveryMs: 1_000,
})

export const order = { by: 'ann', reason: 'test' }

/** The event that is decided, which there must be. */
export function decided(intent: Intent, of: Parameters<typeof situation>[0] = {}): BreakerEvent {
  const event = decide(intent, situation(of))
  if (event === undefined) throw new Error(`${intent.type} is of no use in ${of.state?.mode ?? 'closed'}`)
  return event
}

/** An event as it stands in the log. */
export function stored(
  event: BreakerEvent,
  place: { readonly seq: number; readonly expected: number; readonly at?: number },
): StoredMessage {
  return { topic: event.breaker, id: event.id, at: event.time, data: encodeEvent(event), ...place }
}

export const open: FleetState = { ...initialState, mode: 'open', term: 1, retryAt: 11_000 }
export const halfOpen: FleetState = {
  ...initialState,
  mode: 'halfOpen',
  term: 1,
  attempts: 1,
  lease: { fence: 'the fence', holder: 'b', attempt: 1, until: 12_000 },
}
export const betweenProbes: FleetState = { ...initialState, mode: 'halfOpen', term: 1, attempts: 1 }
export const forcedOpen: FleetState = {
  ...initialState,
  mode: 'forcedOpen',
  term: 1,
  order: { ...order, until: 15_000 },
}
export const disabled: FleetState = { ...initialState, mode: 'disabled', term: 1, order }
