import { describe, expect, it } from 'vitest'
import { decodeEvent, encodeEvent } from '../../src/machines/breaker-codec.ts'
import { decide, noCounts } from '../../src/machines/breaker-decide.ts'
import { breakerSettings } from '../../src/machines/breaker-options.ts'
import type { BreakerEvent } from '../../src/machines/breaker-events.ts'

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

function opened(trace: string | undefined): BreakerEvent {
  const event = decide(
    { type: 'trip', term: 0, reason: 'failureThreshold', counts: noCounts, recoveryMs: 1_000 },
    {
      ...{ breaker: 'smtp', fleet: 'alerts', instance: 'one', id: '01JD0000000000000000000000', chance: 0.5 },
      ...{ logNow: 1_000, wallNow: 1_000, settings: breakerSettings({}), traceparent: trace },
      state: { mode: 'closed', term: 0, failedRecoveries: 0, passes: 0, attempts: 0, votes: [] },
    },
  )
  if (event === undefined) throw new Error('expected an event')
  return event
}

const onTheWire = (event: BreakerEvent): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode(encodeEvent(event))) as Record<string, unknown>

describe('the traceparent of an event', () => {
  it('crosses the network beside the data, where a trace was active', () => {
    const event = opened(traceparent)
    expect(onTheWire(event)['traceparent']).toBe(traceparent)
    expect(decodeEvent(encodeEvent(event)).traceparent).toBe(traceparent)
  })

  it('is not there where none was', () => {
    expect(onTheWire(opened(undefined))).not.toHaveProperty('traceparent')
    expect(decodeEvent(encodeEvent(opened(undefined)))).not.toHaveProperty('traceparent')
  })

  it('is passed over where it is no text, and the event is read', () => {
    const strange = { ...onTheWire(opened(undefined)), traceparent: 7 }
    const read = decodeEvent(new TextEncoder().encode(JSON.stringify(strange)))
    expect(read).not.toHaveProperty('traceparent')
    expect(read.to).toBe('open')
  })
})
