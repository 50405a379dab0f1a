import { BreakerOpenError, type Breaker, type Permit } from 'switchgear'
import { describe, expect, test } from 'vitest'
import { fleetOf, nth, oneInstance } from './fleet-of.ts'
import { ownFault, play } from './play.ts'

const options = { failureThreshold: 2, recoveryBackoff: { jitter: 'none' } } as const

function permitOf(breaker: Breaker): Permit {
  const permit = breaker.tryAcquire()
  if (permit instanceof BreakerOpenError) throw permit
  return permit
}

function refusalOf(breaker: Breaker): BreakerOpenError {
  const refusal = breaker.tryAcquire()
  if (refusal instanceof BreakerOpenError) return refusal
  throw new Error('it gave a permit')
}

describe('a permit', () => {
  test('counts once, and the first of its three words is the one that counts', async () => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    const [one, two, three] = [permitOf(smtp), permitOf(smtp), permitOf(smtp)]
    one.success()
    one.failure()
    one.failure()
    two.ignore()
    two.failure()
    three.failure()
    three.success()
    three.failure()
    expect(smtp.state).toMatchObject({ mode: 'closed', counts: { calls: 2, failures: 1, consecutiveFailures: 1 } })
  })

  test('whose failure names an own fault is ignored; without an error it is a failure', async () => {
    const { gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    permitOf(smtp).failure(ownFault())
    expect(smtp.state.counts.calls).toBe(0)
    permitOf(smtp).failure()
    permitOf(smtp).failure()
    expect(smtp.state.mode).toBe('open')
  })

  test('knows how long it was held, for the rule about slow calls', async () => {
    const { clock, gear } = await oneInstance()
    const slowCallRate = { over: { calls: 2 }, threshold: 1, minimumCalls: 2, slowerThanMs: 100 }
    const smtp = gear.breaker('smtp', { slowCallRate })
    const [one, two] = [permitOf(smtp), permitOf(smtp)]
    await clock.advanceBy(99)
    one.success()
    await clock.advanceBy(1)
    two.success()
    expect(smtp.state.mode).toBe('closed')
    const three = permitOf(smtp)
    await clock.advanceBy(100)
    three.success()
    expect(smtp.state).toMatchObject({ mode: 'open', reason: 'slowCallRate' })
  })

  test('is refused with a value that says when to come back, and nothing is thrown', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*2')
    expect(refusalOf(smtp)).toMatchObject({ mode: 'open', breaker: 'smtp', retryable: true, retryAfterMs: 60_000 })
  })
})

describe('past the recovery time, a permit', () => {
  test('cannot wait: the first ask starts a claim and is refused, the next one has the probe, once', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*2 +60100')
    expect(refusalOf(smtp)).toMatchObject({ retryAfterMs: 0 })
    expect(refusalOf(smtp)).toMatchObject({ retryAfterMs: 0 })
    await clock.advanceBy(50)
    const permit = permitOf(smtp)
    expect(permit.probe).toEqual({ term: 1, attempt: 1 })
    expect(refusalOf(smtp)).toMatchObject({ mode: 'halfOpen' })
    permit.success()
    permit.failure()
    await clock.settle()
    expect(smtp.state.mode).toBe('closed')
  })

  test('that nobody takes is given back at 0.8 of the lease, without counting as a failed recovery', async () => {
    const { clock, gears } = await fleetOf(2)
    const [a, b] = gears.map((gear) => gear.breaker('smtp', { ...options, probe: { leaseMs: 10_000 } }))
    if (a === undefined || b === undefined) throw new Error('no instance')
    await play(a, clock, 'F*2 +60100')
    refusalOf(a)
    await clock.advanceBy(7_990)
    expect(b.state.probe).toMatchObject({ holder: 'a' })
    await clock.advanceBy(60)
    expect(b.state).toMatchObject({ mode: 'halfOpen', failedRecoveries: 0 })
    expect(b.state.probe).toBeUndefined()
    refusalOf(b)
    await clock.advanceBy(50)
    permitOf(b).success()
    await clock.settle()
    expect([a.state.mode, b.state.mode]).toEqual(['closed', 'closed'])
  })

  test('that is taken and never given back has failed at 0.8 of the lease', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { ...options, probe: { leaseMs: 10_000 } })
    await play(smtp, clock, 'F*2 +60100')
    refusalOf(smtp)
    await clock.advanceBy(50)
    const permit = permitOf(smtp)
    await clock.advanceBy(8_000)
    expect(smtp.state).toMatchObject({ mode: 'open', failedRecoveries: 1 })
    permit.success()
    await clock.advanceBy(100)
    expect(smtp.state).toMatchObject({ mode: 'open', failedRecoveries: 1 })
  })

  test.each([
    ['failure', 'open'],
    ['ignore', 'halfOpen'],
    ['success', 'closed'],
  ] as const)('that ends as %s leaves the breaker %s', async (word, mode) => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*2 +60100')
    refusalOf(smtp)
    await clock.advanceBy(50)
    permitOf(smtp)[word]()
    await clock.settle()
    expect(smtp.state.mode).toBe(mode)
  })
})

describe('the fencing token of a probe', () => {
  test('only grows, also for an instance that claims after another one gave its lease back', async () => {
    const { clock, gears } = await fleetOf(2)
    const [a, b] = gears.map((gear) => gear.breaker('smtp', options))
    if (a === undefined || b === undefined) throw new Error('no instance')
    await play(a, clock, 'F*2 +60100')
    const tokens: unknown[] = []
    for (let round = 0; round < 10; round++) {
      const calls = [a, b].map((breaker) =>
        breaker.run(({ probe }) => {
          tokens.push(probe)
          throw ownFault()
        }),
      )
      await clock.runUntil(Promise.allSettled(calls))
      await clock.settle()
    }
    expect(tokens.length).toBeGreaterThan(10)
    expect(tokens).toEqual(tokens.map((_, at) => ({ term: 1, attempt: at + 1 })))
  })

  test('only grows as well for the probes of an instance by itself, through failures, passes and further trips', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { ...options, quorum: 2, recoveryTimeoutMs: 1_000 })
    const tokens: number[] = []
    const probe = async (outcome: string) => {
      await clock.advanceBy(Math.max(0, (smtp.state.retryAt ?? 0) - clock.now()))
      const call = smtp.run(async (of) => {
        tokens.push(of.probe?.attempt ?? 0)
        if (outcome === 'F') throw new Error('down')
        if (outcome === 'I') throw ownFault()
      })
      await clock.runUntil(call.catch(() => {}))
    }
    for (let round = 0; round < 3; round++) {
      await play(smtp, clock, 'F*2')
      for (const outcome of ['F', 'I', 'I', 'F', 'S']) await probe(outcome)
      expect(smtp.state.mode).toBe('closed')
    }
    expect(tokens).toEqual(tokens.map((_, at) => at + 1))
  })

  test('is what the lease in the log says', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*2 +60100')
    const seen = await clock.runUntil(smtp.run(async ({ probe }) => [probe?.attempt, smtp.state.probe?.attempt]))
    expect(seen).toEqual([1, 1])
    expect(nth(seen, 0)).toBe(1)
  })
})
