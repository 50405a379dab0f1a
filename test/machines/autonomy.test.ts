import { afterEach, describe, expect, test, vi } from 'vitest'
import { createSwitchgear, type BreakerOptions, type Clock, type Switchgear } from 'switchgear'
import { simulatedLog, type SimulatedLog } from '../../src/testing/simulated-log.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { skewedClock } from '../../src/testing/skewed-clock.ts'
import { virtualClock } from '../../src/testing/virtual-clock.ts'

const opened: Switchgear[] = []
afterEach(() => Promise.all(opened.splice(0).map((gear) => gear.close())))

const options: BreakerOptions = {
  failureThreshold: 3,
  recoveryTimeoutMs: 10_000,
  recoveryBackoff: { jitter: 'none' },
  probe: { leaseMs: 5_000 },
}

async function fleetOf(...names: string[]) {
  const clock = virtualClock({ startAt: 1_000_000 })
  const random = seededRandom(7)
  const log = simulatedLog({ clock, random, latencyMs: { min: 1, max: 5 } })
  const gears = names.map((instance) => createSwitchgear({ instance, log, clock, random, breakers: { smtp: options } }))
  opened.push(...gears)
  await clock.advanceBy(100)
  const breakers = gears.map((gear) => gear.breaker('smtp'))
  const [a, b, c] = breakers
  if (a === undefined || b === undefined) throw new Error('two instances at least')
  return { clock, log, gears, a, b, c: c ?? b, breakers }
}

/** The breaker of one who joins with a clock of its own. */
function joining(log: SimulatedLog, clock: Clock): Breaker {
  const gear = createSwitchgear({ instance: 'other', log, clock, random: seededRandom(1), breakers: { smtp: options } })
  opened.push(gear)
  return gear.breaker('smtp')
}

type Breaker = ReturnType<Switchgear['breaker']>
const fail = (breaker: Breaker) => breaker.run(() => Promise.reject(new Error('down'))).catch(() => {})
const succeed = (breaker: Breaker) => breaker.run(() => Promise.resolve('up'))
const refused = (breaker: Breaker) =>
  breaker
    .run(() => 'reached')
    .then(
      () => false,
      () => true,
    )
async function trip(breaker: Breaker) {
  for (let failure = 0; failure < 3; failure++) await fail(breaker)
}

test('an instance that is cut off trips, waits, probes and closes on its own evidence', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  log.cut('a')
  await clock.settle()
  await trip(a)
  expect(a.state).toMatchObject({ mode: 'open', scope: 'local' })
  await clock.advanceBy(9_000)
  expect(await refused(a)).toBe(true)
  expect(b.state.mode).toBe('closed')
  await clock.advanceBy(1_100)
  expect(await succeed(a)).toBe('up')
  expect(a.state).toMatchObject({ mode: 'closed' })
})

test('what the fleet held open stays open for one that is cut off, until its own probe passes', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  await trip(a)
  await clock.advanceBy(100)
  expect(b.state).toMatchObject({ mode: 'open', scope: 'fleet' })
  log.cut('b')
  await clock.settle()
  expect(b.state).toMatchObject({ mode: 'open', scope: 'local' })
  expect(await refused(b)).toBe(true)
  await clock.advanceBy(10_000)
  await fail(b)
  expect(b.state).toMatchObject({ mode: 'open', scope: 'local', failedRecoveries: 1 })
  await clock.advanceBy(20_000)
  expect(await succeed(b)).toBe('up')
  expect(b.state).toMatchObject({ mode: 'closed' })
  expect(a.state.mode).toBe('open')
})

test('relinked, the fleet that is open wins over an instance that had closed by itself', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  await trip(a)
  await clock.advanceBy(100)
  log.cut('b')
  await clock.advanceBy(10_000)
  await succeed(b)
  expect(b.state.mode).toBe('closed')
  log.heal('b')
  await clock.advanceBy(100)
  expect(b.state).toMatchObject({ mode: 'open', scope: 'fleet' })
})

test('relinked, a local trip with fresh evidence is proposed, and the fleet opens', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  log.cut('a')
  await clock.settle()
  await trip(a)
  await clock.advanceBy(2_000)
  log.heal('a')
  await clock.advanceBy(200)
  expect(a.state).toMatchObject({ mode: 'open', scope: 'fleet', by: 'a' })
  expect(b.state).toMatchObject({ mode: 'open', scope: 'fleet', by: 'a' })
})

test('relinked, a local trip from before the fleet closed again is dropped', async () => {
  const { clock, log, a, b, c } = await fleetOf('a', 'b', 'c')
  log.cut('a')
  await trip(b)
  await clock.advanceBy(10_000)
  await trip(a)
  await clock.advanceBy(500)
  const probe = succeed(c)
  await clock.advanceBy(500)
  expect(await probe).toBe('up')
  log.heal('a')
  await clock.advanceBy(500)
  expect(a.state).toMatchObject({ mode: 'closed', scope: 'fleet', term: 1 })
  expect(b.state).toMatchObject({ mode: 'closed', term: 1 })
})

test('what the fleet decides after a trip from before the first link ends that, by whatever wall clock it tripped', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  const tripped = joining(log, skewedClock(clock, { offsetMs: 3_600_000, rate: 1 }))
  await trip(tripped)
  expect(tripped.state).toMatchObject({ mode: 'open', scope: 'local' })
  await clock.advanceBy(500)
  expect(a.state).toMatchObject({ mode: 'open', scope: 'fleet', by: 'other' })
  await clock.advanceBy(10_000)
  const probe = succeed(b)
  await clock.advanceBy(500)
  expect(await probe).toBe('up')
  expect(tripped.state).toMatchObject({ mode: 'closed', scope: 'fleet', term: 1 })
})

test('an instance whose clock has gained 9 s in a day of being linked claims too early once, not with every call', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  const gaining = joining(log, skewedClock(clock, { offsetMs: 0, rate: 1.0001 }))
  await clock.advanceBy(86_400_000)
  await trip(a)
  await clock.advanceBy(100)
  for (let call = 0; call < 100; call++) {
    expect(await clock.runUntil(refused(gaining))).toBe(true)
    await clock.advanceBy(50)
  }
  expect(log.stored('smtp')).toHaveLength(2)
  expect(b.state).toMatchObject({ mode: 'open', term: 1 })
})

test('a link that goes down and comes up lets no failure be forgotten', async () => {
  const { clock, log, a } = await fleetOf('a', 'b')
  await clock.runUntil(a.disable({ by: 'ann', reason: 'test' }))
  await clock.runUntil(a.release({ by: 'ann', reason: 'test' }))
  await clock.advanceBy(100)
  await fail(a)
  log.cut('a')
  await clock.settle()
  await fail(a)
  log.heal('a')
  await clock.advanceBy(100)
  await fail(a)
  expect(a.state.mode).toBe('open')
})

describe('an event of its own that comes back in a replay, its answer lost with the link', () => {
  const cutOnceStored = async ({ clock, log }: Awaited<ReturnType<typeof fleetOf>>, count: number) => {
    while (log.stored('smtp').length < count) await clock.advanceBy(1)
    log.cut('a')
    await clock.advanceBy(10)
    log.heal('a')
    await clock.advanceBy(200)
  }

  test('was an order: it is taken', async () => {
    const fleet = await fleetOf('a', 'b')
    const forced = fleet.a.forceOpen({ by: 'ann', reason: 'test' })
    await cutOnceStored(fleet, 1)
    await forced
    expect(fleet.a.state).toMatchObject({ mode: 'forcedOpen', by: 'ann' })
  })

  test('was the claim of a probe: the call that waits for it runs', async () => {
    const fleet = await fleetOf('a', 'b')
    await trip(fleet.a)
    await fleet.clock.advanceBy(10_200)
    const probe = succeed(fleet.a)
    await cutOnceStored(fleet, 2)
    expect(await probe).toBe('up')
    await fleet.clock.advanceBy(200)
    expect(fleet.b.state).toMatchObject({ mode: 'closed', term: 1 })
  })
})

test('a stale local trip is not proposed, and recovers by local probes', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  log.cut('a')
  await clock.settle()
  await trip(a)
  await clock.advanceBy(11_000)
  log.heal('a')
  await clock.advanceBy(500)
  expect(b.state.mode).toBe('closed')
  expect(await succeed(a)).toBe('up')
  expect(a.state.mode).toBe('closed')
})

test('an order that was folded holds without a link, and one that was given meanwhile wins when the link is back', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  const forced = a.forceOpen({ by: 'ann', reason: 'migration' })
  await clock.advanceBy(100)
  await forced
  log.cut('b')
  await clock.advanceBy(60_000)
  expect(await refused(b)).toBe(true)
  const released = a.release({ by: 'ann', reason: 'done' })
  await clock.advanceBy(100)
  await released
  expect(await refused(b)).toBe(true)
  log.heal('b')
  await clock.advanceBy(100)
  expect(b.state.mode).toBe('closed')
  expect(await succeed(b)).toBe('up')
})

test('an append whose answer is lost counts once, since the fold shows it', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  log.loseAnswers('a', 1)
  await trip(a)
  await clock.advanceBy(5_000)
  expect(log.stored('smtp')).toHaveLength(1)
  expect(b.state).toMatchObject({ mode: 'open', by: 'a' })
})

test('a probe whose result the log did not answer says it again while its lease lasts', async () => {
  const { clock, log, gears } = await fleetOf('a', 'b')
  const [a, b] = gears.map((gear) => gear.breaker('slow', { ...options, probe: { leaseMs: 30_000 } }))
  if (a === undefined || b === undefined) throw new Error('two instances')
  await trip(a)
  await clock.advanceBy(10_100)
  const probe = a.run(async () => {
    await clock.sleep(100)
    log.holdAppends('a', 1)
    return 'up'
  })
  await clock.advanceBy(500)
  expect(await probe).toBe('up')
  await clock.advanceBy(12_000)
  expect([a.state.mode, b.state.mode]).toEqual(['closed', 'closed'])
  log.landLate()
  await clock.advanceBy(1_000)
  expect([a.state.mode, b.state.mode]).toEqual(['closed', 'closed'])
})

test('an order waits for a link that comes back within 5 s, and is refused where none does', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  const order = { by: 'ann', reason: 'test' }
  log.cut('a')
  await clock.settle()
  const taken = a.forceOpen(order)
  await clock.advanceBy(4_900)
  log.heal('a')
  await clock.runUntil(taken)
  await clock.advanceBy(10)
  expect(b.state).toMatchObject({ mode: 'forcedOpen', ...order })

  log.cut('a')
  await clock.settle()
  const givenAt = clock.now()
  const refusal = { code: 'SWITCHGEAR_UNAVAILABLE', message: expect.stringContaining('no link') as string }
  await expect(clock.runUntil(a.release(order))).rejects.toMatchObject(refusal)
  expect(clock.now() - givenAt).toBe(5_000)
})

test('an order that ends without a link is over, as states() says also of a breaker that nobody has asked for here', async () => {
  const { clock, log, gears, a } = await fleetOf('a', 'b')
  const ordered = a.forceOpen({ by: 'ann', reason: 'test', forMs: 5_000 })
  await clock.advanceBy(100)
  await ordered
  const late = createSwitchgear({ instance: 'late', log, clock, random: seededRandom(1) })
  opened.push(late)
  await clock.advanceBy(100)
  for (const name of ['a', 'b', 'late']) log.cut(name)
  const modes = () => [...gears, late].map((gear) => gear.states().get('smtp')?.mode)
  await clock.advanceBy(4_000)
  expect(modes()).toEqual(['forcedOpen', 'forcedOpen', 'forcedOpen'])
  await clock.advanceBy(1_000)
  expect(modes()).toEqual(['closed', 'closed', 'closed'])
  expect(late.states().get('smtp')).toMatchObject({ scope: 'local', by: 'late', reason: 'the order is over', term: 1 })
  expect(await succeed(late.breaker('smtp'))).toBe('up')
})

test('the end of an order that cannot be told, as the reading is uncertain, is not asked for over and over', async () => {
  const { clock, log, gears, a } = await fleetOf('a', 'b')
  const forMs = 1_000
  for (const reason of ['first', 'missed', 'last']) {
    if (reason === 'missed') log.loseMessages('b', 1)
    const ordered = a.forceOpen({ by: 'ann', reason, forMs })
    await clock.advanceBy(50)
    await ordered
  }
  log.cut('a')
  const looks = vi.spyOn(clock, 'setTimeout')
  await clock.advanceBy(8_000)
  expect(gears[1]?.breaker('smtp').state.mode).toBe('forcedOpen')
  expect(looks.mock.calls.length).toBeLessThan(40)
  looks.mockRestore()
  await clock.advanceBy(10_000)
  expect(gears[1]?.breaker('smtp').state.mode).toBe('closed')
})

test('an order by an instance that has missed something is refused for that, and not for want of a link', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  for (const reason of ['missed', 'seen']) {
    if (reason === 'missed') log.loseMessages('b', 1)
    const ordered = a.forceOpen({ by: 'ann', reason })
    await clock.advanceBy(50)
    await ordered
  }
  await expect(b.release({ by: 'bob', reason: 'done' })).rejects.toThrow(/missed.*ten seconds/)
  await clock.advanceBy(10_500)
  const released = b.release({ by: 'bob', reason: 'done' })
  await clock.advanceBy(50)
  await released
  expect(a.state.mode).toBe('closed')
})

test('an append that lands late changes nothing', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  log.holdAppends('a', 1)
  await trip(a)
  await clock.advanceBy(60_000)
  expect(b.state.mode).toBe('closed')
  log.landLate()
  await clock.advanceBy(100)
  expect(log.stored('smtp')).toHaveLength(1)
  expect(b.state.mode).toBe('closed')
})

describe('a trip that the fleet could not be told of is told while it is fresh', () => {
  test('where the log did not answer, though the link was up', async () => {
    const { clock, log, gears, a, b } = await fleetOf('a', 'b')
    const [slowA, slowB] = gears.map((gear) => gear.breaker('slow', { ...options, recoveryTimeoutMs: 60_000 }))
    if (slowA === undefined || slowB === undefined) throw new Error('two instances')
    log.holdAppends('a', 2)
    await trip(slowA)
    await trip(a)
    await clock.advanceBy(9_000)
    expect(slowB.state.mode).toBe('closed')
    await clock.advanceBy(3_000)
    expect(slowA.state).toMatchObject({ mode: 'open', scope: 'fleet', term: 1 })
    expect(slowB.state).toMatchObject({ mode: 'open', scope: 'fleet', term: 1 })
    expect(b.state.mode, 'one that has recovered meanwhile is no evidence').toBe('closed')
    expect(log.stored('slow')).toHaveLength(1)
  })

  test('where it had to wait for ten silent seconds', async () => {
    const { clock, log, gears, b } = await fleetOf('a', 'b', 'c')
    const [slowA, slowB] = gears.map((gear) => gear.breaker('slow', { ...options, recoveryTimeoutMs: 60_000 }))
    if (slowA === undefined || slowB === undefined) throw new Error('two instances')
    log.loseMessages('b', 1)
    const order = { by: 'ann', reason: 'test' }
    await clock.runUntil(slowA.disable(order))
    await clock.runUntil(slowA.release(order))
    await clock.advanceBy(100)
    await trip(slowB)
    await clock.advanceBy(9_000)
    expect(slowB.state).toMatchObject({ mode: 'open', scope: 'local' })
    expect(slowA.state.mode).toBe('closed')
    await clock.advanceBy(2_000)
    expect(slowA.state).toMatchObject({ mode: 'open', scope: 'fleet', by: 'b' })
    expect(b.state.mode).toBe('closed')
  })
})

test('where the log does not answer, a link that goes and comes does not make an instance say its trip many times', async () => {
  const { clock, log, gears } = await fleetOf('a', 'b')
  const [gear] = gears
  if (gear === undefined) throw new Error('no instance')
  const flaps = 5
  log.holdAppends('a', 100)
  await trip(gear.breaker('slack', { ...options, recoveryTimeoutMs: 60_000 }))
  for (let flap = 0; flap < flaps; flap++) {
    log.cut('a')
    await clock.advanceBy(100)
    log.heal('a')
    log.holdAppends('a', 100)
    await clock.advanceBy(100)
  }
  await clock.advanceBy(32_000)
  // Once a link, and then every ten seconds.
  expect(gear.health().log.failed).toBeLessThanOrEqual(flaps + 1 + 3)
})

describe('votes that make a quorum are counted again', () => {
  const voted = async () => {
    const fleet = await fleetOf('a', 'b', 'c')
    const slow = { ...options, quorum: 2, recoveryTimeoutMs: 60_000 }
    const [a, b, c] = fleet.gears.map((gear) => gear.breaker('slack', slow))
    if (a === undefined || b === undefined || c === undefined) throw new Error('three instances')
    await trip(a)
    await fleet.clock.advanceBy(100)
    await trip(b)
    while (fleet.log.stored('slack').length < 2) await fleet.clock.advanceBy(1)
    return { ...fleet, c }
  }

  test('where the log did not answer', async () => {
    const { clock, log, c } = await voted()
    for (const instance of ['a', 'b', 'c']) log.holdAppends(instance, 1)
    await clock.advanceBy(5_000)
    expect(c.state.mode).toBe('closed')
    await clock.advanceBy(10_000)
    expect(c.state).toMatchObject({ mode: 'open', scope: 'fleet' })
  })

  test('when a link is back that went down meanwhile', async () => {
    const { clock, log, gears, c } = await voted()
    while (gears.some((gear) => gear.health().log.accepted < 2)) await clock.advanceBy(1)
    expect(log.stored('slack')).toHaveLength(2)
    for (const instance of ['a', 'b', 'c']) log.cut(instance)
    await clock.advanceBy(5_000)
    log.heal('c')
    await clock.advanceBy(200)
    expect(c.state).toMatchObject({ mode: 'open', scope: 'fleet' })
  })
})

test('after a gap, what is adopted may tighten at once, and loosens after ten silent seconds', async () => {
  const { clock, log, a, b, c } = await fleetOf('a', 'b', 'c')
  await trip(a)
  await clock.advanceBy(10_200)
  // b misses the claim, and sees the close out of context.
  log.loseMessages('b', 1)
  const probe = succeed(c)
  await clock.advanceBy(200)
  expect(await probe).toBe('up')
  expect(a.state.mode).toBe('closed')
  expect(b.state.mode).toBe('open')
  await clock.advanceBy(9_000)
  expect(b.state.mode).toBe('open')
  await clock.advanceBy(1_500)
  expect(b.state.mode).toBe('closed')
})

test('without a link no silence makes certain what was adopted after a gap', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  const order = { by: 'ann', reason: 'test' }
  await clock.runUntil(a.forceOpen(order))
  await clock.advanceBy(100)
  log.loseMessages('b', 1)
  await clock.runUntil(a.forceOpen(order))
  await clock.runUntil(a.release(order))
  await clock.advanceBy(100)
  expect(b.state.mode).toBe('forcedOpen')
  log.cut('b')
  await clock.advanceBy(30_000)
  expect(b.state.mode).toBe('forcedOpen')
  log.heal('b')
  await clock.advanceBy(9_000)
  expect(b.state.mode).toBe('forcedOpen')
  await clock.advanceBy(1_500)
  expect(b.state.mode).toBe('closed')
})

test('a log that was recreated is told where the fleet stood', async () => {
  const { clock, log, a, b, breakers } = await fleetOf('a', 'b', 'c')
  await trip(a)
  await clock.advanceBy(1_000)
  log.rewind()
  await clock.advanceBy(1_000)
  for (const breaker of breakers) expect(breaker.state).toMatchObject({ mode: 'open', scope: 'fleet', term: 1 })
  expect(log.stored('smtp')).toHaveLength(1)
  await clock.advanceBy(10_000)
  const probe = succeed(b)
  await clock.advanceBy(200)
  expect(await probe).toBe('up')
  for (const breaker of breakers) expect(breaker.state.mode).toBe('closed')
})

test('a trip is told to a new log also when that is first told that all was closed', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  await trip(a)
  await clock.advanceBy(10_200)
  const probe = succeed(b)
  await clock.advanceBy(200)
  expect(await probe).toBe('up')
  log.rewind()
  await clock.settle()
  await trip(a)
  expect(a.state).toMatchObject({ mode: 'open', scope: 'local' })
  await clock.advanceBy(1_000)
  expect(b.state).toMatchObject({ mode: 'open', scope: 'fleet', by: 'a' })
})

test('a new log that did not answer at first is told again, so that the fleet recovers', async () => {
  const { clock, log, a, b } = await fleetOf('a', 'b')
  await trip(a)
  await clock.advanceBy(100)
  log.cut('b')
  log.holdAppends('a', 1)
  log.rewind()
  await clock.advanceBy(5_000)
  expect(log.stored('smtp')).toHaveLength(0)
  expect(await refused(a)).toBe(true)
  await clock.advanceBy(10_000)
  expect(log.stored('smtp')).toHaveLength(1)
  log.heal('b')
  await clock.advanceBy(100)
  const probe = succeed(b)
  await clock.advanceBy(200)
  expect(await probe).toBe('up')
  expect(a.state).toMatchObject({ mode: 'closed', scope: 'fleet', term: 1 })
})

test('where the log acknowledges two winners, the fold decides, and all agree', async () => {
  const { clock, log, breakers, gears } = await fleetOf('a', 'b', 'c')
  log.twoWinners = true
  for (let round = 0; round < 10; round++) {
    await Promise.all(breakers.map(trip))
    await clock.advanceBy(200)
    const before = breakers.map(({ state }) => state.mode)
    expect(new Set(before)).toEqual(new Set(['open']))
    await clock.advanceBy(10_000)
    const probes = Promise.allSettled(breakers.map(succeed))
    await clock.advanceBy(2_000)
    expect((await probes).filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(breakers.map(({ state }) => state.mode)).toEqual(['closed', 'closed', 'closed'])
  }
  expect(gears.map((gear) => gear.health().log.divergences)).toEqual([0, 0, 0])
  expect(gears[0]?.health().log.ignored).toBeGreaterThan(0)
})
