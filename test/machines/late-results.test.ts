import { BreakerOpenError, type Breaker, type Permit } from 'switchgear'
import { describe, expect, test } from 'vitest'
import { fleetOf, nth, oneInstance } from './fleet-of.ts'
import { play } from './play.ts'

const options = { failureThreshold: 2, recoveryBackoff: { jitter: 'none' } } as const

/** A call that is under way until the test says how it ends. */
function begin(breaker: Breaker): { readonly succeed: () => void; readonly fail: () => void } {
  let succeed: () => void = () => {}
  let failLate: (error: Error) => void = () => {}
  const promise = new Promise<void>((resolve, reject) => {
    succeed = resolve
    failLate = reject
  })
  breaker.run(() => promise).catch(() => {})
  return { succeed, fail: () => failLate(new Error('down, late')) }
}

function permitOf(breaker: Breaker): Permit {
  const permit = breaker.tryAcquire()
  if (permit instanceof BreakerOpenError) throw permit
  return permit
}

describe('a result that comes after the gate has changed', () => {
  test('as a success while open does not close the breaker', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    const early = begin(smtp)
    await play(smtp, clock, 'F*2 +100')
    early.succeed()
    await clock.advanceBy(100)
    expect(smtp.state).toMatchObject({ mode: 'open', term: 1 })
  })

  test('as a success while half-open does not close it, with no probe run', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    const early = begin(smtp)
    await play(smtp, clock, 'F*2 +60100')
    const probe = begin(smtp)
    await clock.advanceBy(100)
    early.succeed()
    await clock.advanceBy(100)
    expect(smtp.state).toMatchObject({ mode: 'halfOpen' })
    probe.succeed()
    await clock.advanceBy(100)
    expect(smtp.state).toMatchObject({ mode: 'closed' })
  })

  test('as a failure while half-open does not reopen it', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    const early = [begin(smtp), begin(smtp), begin(smtp)]
    await play(smtp, clock, 'F*2 +60100')
    const probe = begin(smtp)
    await clock.advanceBy(100)
    for (const call of early) call.fail()
    await clock.advanceBy(100)
    expect(smtp.state).toMatchObject({ mode: 'halfOpen', term: 1, failedRecoveries: 0 })
    probe.succeed()
    await clock.advanceBy(100)
    expect(smtp.state.mode).toBe('closed')
  })

  test('as failures once it has closed again do not count', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    const early = Array.from({ length: 10 }, () => begin(smtp))
    await play(smtp, clock, 'F*2 +60100 S +100')
    for (const call of early) call.fail()
    await clock.advanceBy(100)
    expect(smtp.state).toMatchObject({ mode: 'closed', counts: { calls: 0, failures: 0 } })
    expect(await play(smtp, clock, 'F*2')).toEqual(['closed', 'open'])
  })

  test('is not counted from a permit either, nor is its second word', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    const early = permitOf(smtp)
    await play(smtp, clock, 'F*2 +60100 S +100')
    early.failure()
    early.failure()
    expect(smtp.state.counts.failures).toBe(0)
  })

  test('of a call from before the fleet opened elsewhere does not count on this instance', async () => {
    const { clock, gears } = await fleetOf(2)
    const [a, b] = gears.map((gear) => gear.breaker('smtp', options))
    if (a === undefined || b === undefined) throw new Error('no instance')
    const early = [begin(b), begin(b)]
    await play(a, clock, 'F*2 +60100 S +100')
    expect([a.state.mode, b.state.mode]).toEqual(['closed', 'closed'])
    for (const call of early) call.fail()
    await clock.advanceBy(100)
    expect(b.state).toMatchObject({ mode: 'closed', counts: { failures: 0 } })
  })

  test('of a call from before an order does not count after it', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    const early = [begin(smtp), begin(smtp)]
    await clock.runUntil(smtp.disable({ by: 'ann', reason: 'test' }))
    await clock.runUntil(smtp.release({ by: 'ann', reason: 'test' }))
    for (const call of early) call.fail()
    await clock.advanceBy(100)
    expect(smtp.state).toMatchObject({ mode: 'closed', counts: { failures: 0 } })
  })

  test('of a probe whose lease another instance has taken over changes nothing', async () => {
    const { clock, gears, seen } = await fleetOf(2, { latencyMs: { min: 1, max: 5 } })
    const smtps = gears.map((gear) => gear.breaker('smtp', { ...options, probe: { leaseMs: 1_000 } }))
    const [a, b] = [nth(smtps, 0), nth(smtps, 1)]
    await play(a, clock, 'F*2 +60200')
    const stuck = begin(a)
    await clock.advanceBy(900)
    stuck.fail()
    await clock.advanceBy(500)
    expect(b.state).toMatchObject({ mode: 'open', failedRecoveries: 1 })
    expect(nth(seen, 1).filter(({ to }) => to === 'open')).toHaveLength(2)
  })
})
