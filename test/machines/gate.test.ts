import { describe, expect, test } from 'vitest'
import { initialState } from '../../src/machines/fleet-state.ts'
import { admission, type GateView } from '../../src/machines/gate.ts'
import { steady, type Local, type Trip } from '../../src/machines/local.ts'
import { betweenProbes, disabled, forcedOpen, halfOpen, open } from './authored.ts'

const counts = { calls: 5, failures: 5, slow: 0, consecutiveFailures: 5 }
const tripped: Trip = {
  kind: 'tripped',
  reason: 'failureThreshold',
  by: 'a',
  counts,
  since: 0,
  sinceAt: 0,
  recoveryMs: 500,
  retryAt: 500,
  failedRecoveries: 0,
  passes: 0,
  own: true,
  probing: false,
}
const endless = { ...forcedOpen, order: { by: 'ann', reason: 'x' } }

type Row = readonly [what: string, view: Partial<GateView>, answer: string]

/** `logNow` is 10,000 and `now` (monotonic) 100 unless a row says otherwise. */
const rows: readonly Row[] = [
  ['closed and steady', {}, 'admit'],
  ['closed and tripped', { local: tripped }, 'refuse open 400'],
  ['closed and tripped, 1 ms before its end', { local: tripped, now: 499 }, 'refuse open 1'],
  ['closed and tripped, at its end', { local: tripped, now: 500 }, 'probe'],
  ['closed and probing', { local: { ...tripped, probing: true }, now: 900 }, 'refuse halfOpen 1000'],
  ['open', { fleet: open }, 'refuse open 1000'],
  ['open, at retryAt', { fleet: open, logNow: 11_000 }, 'claim'],
  ['open and tripped: the fleet’s word counts', { fleet: open, local: tripped, logNow: 11_000 }, 'claim'],
  ['half-open and leased', { fleet: halfOpen }, 'refuse halfOpen 1000'],
  ['half-open, the lease just over', { fleet: halfOpen, logNow: 12_000 }, 'refuse halfOpen 500'],
  ['half-open, the grace over as well', { fleet: halfOpen, logNow: 12_500 }, 'claim'],
  ['half-open between probes', { fleet: betweenProbes }, 'claim'],
  ['forced open', { fleet: forcedOpen }, 'refuse forcedOpen 5000'],
  ['forced open without an end', { fleet: endless }, 'refuse forcedOpen Infinity'],
  [
    'forced open, its time over, nobody has said so yet',
    { fleet: forcedOpen, logNow: 15_000 },
    'refuse forcedOpen 100',
  ],
  ['disabled', { fleet: disabled }, 'admit'],
  ['disabled admits what would be tripped', { fleet: disabled, local: tripped }, 'admit'],
  ['unlinked, open, steady', { fleet: open, linked: false }, 'admit'],
  ['unlinked, open, and held open here', { fleet: open, linked: false, local: tripped }, 'refuse open 400'],
  ['unlinked, forced open', { fleet: endless, linked: false }, 'refuse forcedOpen Infinity'],
  ['unlinked, forced open, its time over', { fleet: forcedOpen, linked: false, logNow: 15_000 }, 'admit'],
  ['unlinked, disabled', { fleet: disabled, linked: false, local: tripped }, 'admit'],
]

describe('the gate', () => {
  test.each(rows)('%s: %3$s', (_what, view, answer) => {
    const local: Local = steady
    const given = admission({ fleet: initialState, local, linked: true, logNow: 10_000, now: 100, ...view })
    expect(given.kind === 'refuse' ? `refuse ${given.mode} ${given.waitMs}` : given.kind).toBe(answer)
  })
})
