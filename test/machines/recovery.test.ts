import { createSwitchgear, memoryLog, type Breaker, type BreakerOptions, type Switchgear } from 'switchgear'
import { seededRandom, virtualClock, type VirtualClock } from 'switchgear/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { allOf, fail, hang, nth, fleetOf, ok, oneInstance } from './fleet-of.ts'
import { simulatedLog } from '../../src/testing/simulated-log.ts'
import { play } from './play.ts'

const exact = { failureThreshold: 1, recoveryBackoff: { jitter: 'none' } } as const

/** The waits that the log's own events announced, oldest first. */
async function announcedWaits(options: BreakerOptions, failedRecoveries: number, seed = 1): Promise<number[]> {
  const { clock, gear } = await oneInstance({ seed })
  const smtp = gear.breaker('smtp', options)
  await play(smtp, clock, 'F +100')
  for (let round = 0; round < failedRecoveries; round++) {
    await clock.advanceBy((smtp.state.retryAt ?? NaN) - clock.now())
    await play(smtp, clock, 'F +100')
  }
  const waits = (await allOf(smtp.history())).map(({ event }) =>
    event.fact?.type === 'opened' || event.fact?.type === 'reopened' ? [event.fact.retryAfterMs] : [],
  )
  return waits.flat().toReversed()
}

describe('the recovery time', () => {
  test('is 60 s, doubles with each recovery that fails, and stays at 10 min', async () => {
    expect(await announcedWaits(exact, 6)).toEqual([60_000, 120_000, 240_000, 480_000, 600_000, 600_000, 600_000])
  })

  test.each([
    [{ recoveryTimeoutMs: 1_000 }, [1_000, 2_000, 4_000]],
    [{ recoveryTimeoutMs: 1_000, recoveryBackoff: { jitter: 'none', multiplier: 3 } }, [1_000, 3_000, 9_000]],
    [{ recoveryTimeoutMs: 1_000, recoveryBackoff: { jitter: 'none', multiplier: 1 } }, [1_000, 1_000, 1_000]],
    [{ recoveryTimeoutMs: 1_000, recoveryBackoff: { jitter: 'none', maxMs: 3_000 } }, [1_000, 2_000, 3_000]],
    [{ recoveryTimeoutMs: 900_000 }, [900_000, 900_000, 900_000]],
  ] as const)('with %j is %j', async (options, waits) => {
    expect(await announcedWaits({ ...exact, ...options }, 2)).toEqual(waits)
  })

  test('is jittered by 10 % either way, and by other chances elsewhere', async () => {
    const firsts: number[] = []
    for (let seed = 1; seed <= 30; seed++) firsts.push(...(await announcedWaits({ failureThreshold: 1 }, 0, seed)))
    expect(Math.min(...firsts)).toBeGreaterThanOrEqual(54_000)
    expect(Math.max(...firsts)).toBeLessThanOrEqual(66_000)
    expect(new Set(firsts).size).toBeGreaterThan(20)
    expect(Math.max(...firsts) - Math.min(...firsts)).toBeGreaterThan(6_000)
  })

  test.each([1, 2])('grows with decorrelated jitter as well, where the quorum is %i', async (quorum) => {
    const { clock, gear } = await oneInstance()
    const recoveryBackoff = { jitter: 'decorrelated', maxMs: 3_600_000 } as const
    const smtp = gear.breaker('smtp', { failureThreshold: 1, recoveryTimeoutMs: 1_000, recoveryBackoff, quorum })
    await play(smtp, clock, 'F +100')
    const waits: number[] = []
    for (let round = 0; round < 10; round++) {
      const waitMs = (smtp.state.retryAt ?? NaN) - clock.now()
      waits.push(waitMs)
      await play(smtp, clock, `+${waitMs} F +100`)
    }
    expect(smtp.state.failedRecoveries).toBe(10)
    expect(Math.max(...waits)).toBeGreaterThan(60_000)
  })

  test('never jitters above its cap', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const options = { failureThreshold: 1, recoveryTimeoutMs: 1_000, recoveryBackoff: { maxMs: 1_000 } }
      expect(Math.max(...(await announcedWaits(options, 2, seed)))).toBeLessThanOrEqual(1_000)
    }
  })

  test('starts from the beginning again once the breaker has closed', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', exact)
    await play(smtp, clock, 'F +60100 F +120100')
    expect(smtp.state).toMatchObject({ mode: 'open', failedRecoveries: 1 })
    await play(smtp, clock, 'S')
    expect(smtp.state).toMatchObject({ mode: 'closed', failedRecoveries: 0 })
    await play(smtp, clock, 'F +100')
    expect((smtp.state.retryAt ?? 0) - smtp.state.sinceAt).toBeCloseTo(60_000, -1)
  })

  test('refuses until its last millisecond, and lets the probe through at it', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', exact)
    await play(smtp, clock, 'F +100')
    await clock.advanceBy((smtp.state.retryAt ?? 0) - clock.now() - 1)
    expect(await play(smtp, clock, 'R')).toEqual(['open'])
    await clock.advanceBy(1)
    expect(await play(smtp, clock, 'S')).toEqual(['closed'])
  })
})

describe('while it is half-open', () => {
  test('extra callers are refused, never queued, and told to come back within a second', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', exact)
    await play(smtp, clock, 'F +60100')
    let probes = 0
    const probe = smtp.run(async () => {
      probes++
      await clock.sleep(5_000)
    })
    await clock.advanceBy(100)
    expect(smtp.state).toMatchObject({ mode: 'halfOpen', probe: { holder: 'a', attempt: 1 } })
    const extra = await Promise.allSettled(Array.from({ length: 50 }, () => smtp.run(() => probes++)))
    expect(extra.every(({ status }) => status === 'rejected')).toBe(true)
    expect(nth(extra, 0)).toMatchObject({ reason: { mode: 'halfOpen', retryAfterMs: 1_000 } })
    await clock.runUntil(probe)
    expect(probes).toBe(1)
  })

  test.each([1, 5])('exactly one of 100 concurrent calls on %i instances reaches the dependency', async (instances) => {
    const { clock, gears } = await fleetOf(instances)
    const smtps = gears.map((gear) => gear.breaker('smtp', exact))
    await play(nth(smtps, 0), clock, 'F +60100')
    let reached = 0
    const calls = Array.from({ length: 100 }, (_, at) =>
      nth(smtps, at % instances).run(async () => {
        reached++
        await clock.sleep(200)
      }),
    )
    const settled = await clock.runUntil(Promise.allSettled(calls))
    expect(reached).toBe(1)
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await clock.advanceBy(100)
    expect(smtps.map(({ state }) => state.mode)).toEqual(Array.from({ length: instances }, () => 'closed'))
  })

  test('with successesToClose: 3, three probes in a row close it, each a claim of its own', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { ...exact, probe: { successesToClose: 3 } })
    await play(smtp, clock, 'F +60100')
    const tokens: unknown[] = []
    for (const expected of ['halfOpen', 'halfOpen', 'closed']) {
      await clock.runUntil(smtp.run(({ probe }) => tokens.push(probe)))
      await clock.settle()
      expect(smtp.state.mode).toBe(expected)
    }
    expect(tokens).toEqual([
      { term: 1, attempt: 1 },
      { term: 1, attempt: 2 },
      { term: 1, attempt: 3 },
    ])
  })

  test('a failure after two passes of three opens it again, and three are needed again', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { ...exact, probe: { successesToClose: 3 } })
    await play(smtp, clock, 'F +60100 S +1 S +1 F +1')
    expect(smtp.state).toMatchObject({ mode: 'open', failedRecoveries: 1, term: 2 })
    await play(smtp, clock, '+120100 S +1 S +1')
    expect(smtp.state.mode).toBe('halfOpen')
    await play(smtp, clock, 'S +1')
    expect(smtp.state.mode).toBe('closed')
  })
})

describe('a probe that hangs', () => {
  test('has failed at 0.8 of its lease: reopened, its signal aborted, its caller told, its late result worth nothing', async () => {
    const { clock, gear, seen } = await oneInstance()
    const smtp = gear.breaker('smtp', { ...exact, probe: { leaseMs: 10_000 } })
    await play(smtp, clock, 'F +60100')
    let signal: AbortSignal | undefined
    let answer: (value: string) => void = () => {}
    const probe = smtp.run((call) => {
      signal = call.signal
      return new Promise<string>((resolve) => (answer = resolve))
    })
    const settled = probe.then(
      () => 'delivered',
      (error: { readonly code: string }) => error.code,
    )
    await clock.advanceBy(50)
    const claimedAt = clock.now()
    await clock.advanceBy(7_900)
    expect([smtp.state.mode, signal?.aborted]).toEqual(['halfOpen', false])
    await clock.advanceBy(100)
    expect(await settled).toBe('SWITCHGEAR_TIMEOUT')
    expect(signal?.aborted).toBe(true)
    expect(smtp.state).toMatchObject({ mode: 'open', failedRecoveries: 1, reason: 'the probe gave no result in time' })
    expect(clock.now() - claimedAt).toBeLessThanOrEqual(8_000)

    answer('late')
    await clock.advanceBy(1_000)
    expect(smtp.state).toMatchObject({ mode: 'open', failedRecoveries: 1, term: 2 })
    expect(seen.at(-1)).toMatchObject({ from: 'halfOpen', to: 'open', scope: 'fleet' })
  })

  test('does not block the next probe', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { ...exact, probe: { leaseMs: 10_000 } })
    await play(smtp, clock, 'F +60100')
    smtp.run(hang).catch(() => {})
    await clock.advanceBy(10_000 + 120_000)
    expect(await clock.runUntil(smtp.run(ok))).toBe('ok')
    await clock.settle()
    expect(smtp.state.mode).toBe('closed')
  })

  test('that its own timeout ends in time is a failure like any other', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { ...exact, timeoutMs: 500 })
    await play(smtp, clock, 'F +60100')
    smtp.run(hang).catch(() => {})
    await clock.advanceBy(600)
    expect(smtp.state).toMatchObject({ mode: 'open', failedRecoveries: 1, reason: 'the probe failed' })
  })
})

describe('a probe whose process stood still, as its event loop was blocked', () => {
  const options = { ...exact, probe: { leaseMs: 5_000 } }

  /** An instance whose clock goes on by `stand` while its timers do not; after `block` they do. */
  async function blockable(): Promise<{
    clock: VirtualClock
    gear: Switchgear
    stand: (ms: number) => void
    block: (ms: number) => Promise<void>
  }> {
    const inner = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
    let blockedMs = 0
    const clock = { ...inner, monotonic: () => inner.monotonic() + blockedMs, now: () => inner.now() + blockedMs }
    const gear = createSwitchgear({ clock, random: seededRandom(1), log: memoryLog({ clock }) })
    onTestFinished(() => gear.close())
    await clock.settle()
    const stand = (ms: number): void => void (blockedMs += ms)
    return {
      clock,
      gear,
      stand,
      async block(ms) {
        stand(ms)
        await clock.advanceBy(5_000)
      },
    }
  }

  test('says nothing of the dependency, where it is this instance’s own', async () => {
    const { clock, gear, block } = await blockable()
    const smtp = gear.breaker('smtp', { ...options, quorum: 2 })
    await play(smtp, clock, 'F +60100')
    const probe = smtp.run(hang)
    await Promise.all([block(10_000), expect(probe).rejects.toMatchObject({ code: 'SWITCHGEAR_TIMEOUT' })])
    expect(smtp.state).toMatchObject({ scope: 'local', failedRecoveries: 0 })
    expect(await play(smtp, clock, 'S')).toEqual(['closed'])
  })

  test.each(['call', 'permit'])('as a %s says as little, where it was taken late in the lease', async (taken) => {
    const { clock, gear, block } = await blockable()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F +60100')
    smtp.tryAcquire()
    await clock.advanceBy(3_800)
    if (taken === 'permit') expect(smtp.tryAcquire()).toHaveProperty('probe')
    else smtp.run(hang).catch(() => {})
    await block(300)
    expect(smtp.state).toMatchObject({ mode: 'halfOpen', term: 1, failedRecoveries: 0 })
    expect(smtp.state.probe).toBeUndefined()
  })

  test.each(['call', 'permit'])(
    'is none for a %s that comes when its lease is over, and before its timer',
    async (taken) => {
      const { clock, gear, stand } = await blockable()
      const smtp = gear.breaker('smtp', options)
      await play(smtp, clock, 'F +60100')
      smtp.tryAcquire()
      await clock.advanceBy(100)
      stand(4_500)
      if (taken === 'permit') expect(smtp.tryAcquire()).not.toHaveProperty('probe')
      else await expect(clock.runUntil(smtp.run(hang))).rejects.toMatchObject({ code: 'SWITCHGEAR_BREAKER_OPEN' })
      await clock.advanceBy(100)
      expect(smtp.state).toMatchObject({ mode: 'halfOpen', term: 1, failedRecoveries: 0 })
    },
  )

  test('a little has failed all the same', async () => {
    const { clock, gear, block } = await blockable()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F +60100')
    smtp.run(hang).catch(() => {})
    await block(40)
    expect(smtp.state).toMatchObject({ mode: 'open', failedRecoveries: 1, reason: 'the probe gave no result in time' })
  })
})

test('a claim that is not answered within a second refuses its call, and is for the next one when it is accepted', async () => {
  const { clock, gear } = await oneInstance({ latencyMs: { min: 700, max: 700 } })
  const smtp = gear.breaker('smtp', exact)
  await play(smtp, clock, 'F +65000')
  const askedAt = clock.now()
  await expect(clock.runUntil(smtp.run(ok))).rejects.toMatchObject({ code: 'SWITCHGEAR_BREAKER_OPEN' })
  expect(clock.now() - askedAt).toBe(1_000)
  await clock.advanceBy(500)
  expect(smtp.state).toMatchObject({ mode: 'halfOpen', probe: { holder: 'a', attempt: 1 } })
  expect(await smtp.run(({ probe }) => probe)).toEqual({ term: 1, attempt: 1 })
})

test('a claim that was longer on its way than a probe may take lets nobody through', async () => {
  const { clock, gear } = await oneInstance({ latencyMs: { min: 60, max: 60 } })
  const smtp = gear.breaker('smtp', { ...exact, probe: { leaseMs: 100 } })
  await play(smtp, clock, 'F +60500')
  let reached = 0
  const call = smtp.run(() => reached++)
  await expect(clock.runUntil(call)).rejects.toMatchObject({ code: 'SWITCHGEAR_BREAKER_OPEN' })
  await clock.advanceBy(1_000)
  expect(reached).toBe(0)
  expect(smtp.state).toMatchObject({ mode: 'halfOpen', failedRecoveries: 0 })
})

describe('a holder that dies', () => {
  const options = { ...exact, probe: { leaseMs: 10_000 } }

  /** Calls on both, every 20 ms, until one reaches the dependency; when that was. */
  async function nextProbe(clock: VirtualClock, breakers: readonly Breaker[]): Promise<number[]> {
    const reachedAt: number[] = []
    for (let waited = 0; waited < 11_000; waited += 20) {
      for (const breaker of breakers) {
        breaker
          .run(({ probe }) => {
            if (probe !== undefined) reachedAt.push(clock.now())
          })
          .catch(() => {})
      }
      await clock.advanceBy(20)
    }
    return reachedAt
  }

  test('since it is cut off for good is taken over within the lease and the grace, once', async () => {
    const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
    const random = seededRandom(1)
    const log = simulatedLog({ clock, random })
    const gears = ['a', 'b', 'c'].map((instance) => createSwitchgear({ clock, random, log, instance }))
    await clock.settle()
    const [dying, ...others] = gears.map((gear) => gear.breaker('smtp', options))
    if (dying === undefined) throw new Error('no instance')
    await play(dying, clock, 'F +60100')
    dying.run(hang).catch(() => {})
    await clock.advanceBy(60)
    expect(nth(others, 0).state).toMatchObject({ mode: 'halfOpen', probe: { holder: 'a' } })
    const claimedAt = nth(others, 0).state.sinceAt
    log.cut('a')

    const [reachedAt = 0, ...more] = await nextProbe(clock, others)
    expect(more).toEqual([])
    expect(reachedAt - claimedAt).toBeGreaterThanOrEqual(10_500)
    expect(reachedAt - claimedAt).toBeLessThan(10_600)
    expect(nth(others, 0).state).toMatchObject({ mode: 'closed', term: 1 })
    await Promise.all(gears.map((gear) => gear.close()))
  })

  test('since its process stands still is taken over, and what it says when it goes on is discarded', async () => {
    const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
    const stopped = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
    const log = memoryLog({ clock, random: seededRandom(1) })
    const [dying, other] = [stopped, clock].map((of, at) =>
      createSwitchgear({ clock: of, random: seededRandom(at), log, instance: at === 0 ? 'a' : 'b' }).breaker(
        'smtp',
        options,
      ),
    )
    if (dying === undefined || other === undefined) throw new Error('no instance')
    const bothAdvanceBy = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 10) await Promise.all([clock.advanceBy(10), stopped.advanceBy(10)])
    }
    await clock.settle()
    other.run(fail).catch(() => {})
    await bothAdvanceBy(60_100)
    dying.run(hang).catch(() => {})
    await bothAdvanceBy(60)
    expect(other.state).toMatchObject({ mode: 'halfOpen', probe: { holder: 'a' } })

    // From here on the holder's process stands still.
    expect(await nextProbe(clock, [other])).toHaveLength(1)
    expect(other.state.mode).toBe('closed')
    await stopped.advanceBy(20_000)
    expect(other.state).toMatchObject({ mode: 'closed', term: 1 })
    expect((await allOf(other.history())).map(({ event }) => [event.fact?.type, event.by])).toEqual([
      ['closed', 'b'],
      ['probeClaimed', 'b'],
      ['probeClaimed', 'a'],
      ['opened', 'b'],
    ])
  })
})

test('a failing probe of one instance opens all of them, with a longer wait', async () => {
  const { clock, gears } = await fleetOf(3)
  const smtps = gears.map((gear) => gear.breaker('smtp', exact))
  await play(nth(smtps, 1), clock, 'F +60100')
  await clock.runUntil(
    nth(smtps, 2)
      .run(fail)
      .catch(() => {}),
  )
  await clock.advanceBy(50)
  for (const { state } of smtps) expect(state).toMatchObject({ mode: 'open', term: 2, failedRecoveries: 1, by: 'c' })
})
