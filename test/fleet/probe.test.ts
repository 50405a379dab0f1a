import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { leaseGraceMs } from '../../src/machines/breaker-decide.ts'
import { freshName } from '../../src/testing/port-contracts/contract.ts'
import { until } from '../servers/until.ts'
import { type CallingFleet, startCallingFleet } from './calling-fleet.ts'
import { acceptedOf, readLog } from './read-log.ts'

const recoveryTimeoutMs = 2_000
const leaseMs = 3_000
const options = { recoveryTimeoutMs, recoveryBackoff: { jitter: 'none' } } as const
const name = freshName('probing')

let calling: CallingFleet
beforeAll(async () => {
  calling = await startCallingFleet(name, {
    smtp: { ...options, probe: { leaseMs: 20_000 } },
    slack: { ...options, probe: { leaseMs } },
  })
})
afterAll(() => calling.end())

describe('50 instances in 4 processes, each with calls all the time', () => {
  test('let one call through after the recovery time: it fails and all open for longer, it passes and all close', async () => {
    const breaker = 'smtp'
    const before = await untilAllOpen(breaker)
    const refused = await untilOneProbes(breaker, before + 1)
    calling.dependency.behave('fails')
    await untilAll(breaker, 'open')
    calling.dependency.behave('hangs')
    const refusedAgain = await untilOneProbes(breaker, before + 2)
    calling.dependency.behave('works')
    await untilAll(breaker, 'closed')
    await untilAllHave('admitted', 1)
    await calling.fleet.ask('endTraffic')

    const events = acceptedOf(await readLog(calling.server.url, name, breaker))
    expect(events.map((event) => event.name)).toEqual(['opened', 'probeClaimed', 'reopened', 'probeClaimed', 'closed'])
    const [opened, claimed, reopened, claimedAgain] = events
    expect(reopened?.state.retryAt).toBe((reopened?.at ?? 0) + 2 * recoveryTimeoutMs)
    expect(claimed?.at).toBeGreaterThanOrEqual((opened?.at ?? 0) + recoveryTimeoutMs)
    expect(claimedAgain?.at).toBeGreaterThanOrEqual((reopened?.at ?? 0) + 2 * recoveryTimeoutMs)
    console.info(
      `${calling.fleet.instances.length} instances with calls all the time: 1 call reached the dependency after a recovery time of ` +
        `${recoveryTimeoutMs} ms (claimed ${(claimed?.at ?? 0) - (opened?.at ?? 0)} ms after the opening), 1 after that of ` +
        `${2 * recoveryTimeoutMs} ms (${(claimedAgain?.at ?? 0) - (reopened?.at ?? 0)} ms), while ${refused} and ${refusedAgain} others were refused`,
    )
  })

  test('probe anew, once, when the process of the lease holder was killed in the middle', async () => {
    const breaker = 'slack'
    const before = await untilAllOpen(breaker)
    await until('the probe', () => calling.dependency.arrivals.length > before || undefined)
    const first = calling.dependency.arrivals[before]
    await calling.fleet.of(first?.instance ?? '').kill()
    await untilOneProbes(breaker, before + 2)
    const second = calling.dependency.arrivals[before + 1]
    calling.dependency.behave('works')
    await untilAll(breaker, 'closed')
    await calling.fleet.ask('endTraffic')

    const events = acceptedOf(await readLog(calling.server.url, name, breaker))
    expect(events.map((event) => event.name)).toEqual(['opened', 'probeClaimed', 'probeClaimed', 'closed'])
    const [, claimed, takenOver, closed] = events
    expect([claimed?.by, takenOver?.by, closed?.by]).toEqual([first?.instance, second?.instance, second?.instance])
    const afterMs = (takenOver?.at ?? 0) - (claimed?.at ?? 0)
    expect(afterMs).toBeGreaterThanOrEqual(leaseMs + leaseGraceMs)
    expect(afterMs).toBeLessThan(leaseMs + leaseGraceMs + 5_000)
    console.info(
      `the lease holder killed with -9: the next probe was claimed ${afterMs} ms after the first, and reached the dependency ` +
        `${((second?.atMs ?? 0) - (first?.atMs ?? 0)).toFixed(0)} ms after it; lease and grace are ${leaseMs + leaseGraceMs} ms`,
    )
  })
})

/** Starts the calls, lets the dependency fail until all are open, and then hang. Gives how many calls have reached it. */
async function untilAllOpen(breaker: string): Promise<number> {
  calling.dependency.behave('works')
  await calling.fleet.ask('traffic', { breakers: [breaker], everyMs: 50 })
  await untilAllHave('admitted', 1)
  calling.dependency.behave('fails')
  await untilAll(breaker, 'open')
  await until('calls that were admitted before to end', async () => {
    const tallies = (await calling.fleet.ask('tallies')).flat()
    return tallies.every(({ underWay }) => underWay === 0) || undefined
  })
  calling.dependency.behave('hangs')
  const states = (await calling.fleet.ask('states', breaker)).flat()
  // Else a probe may have come before anybody looked.
  expect(new Set(states.map(({ mode, agreed }) => `${mode} ${agreed}`)).size).toBe(1)
  return calling.dependency.arrivals.length
}

/**
 * The probe has reached the dependency, which keeps it waiting: no other call does, although all instances try. Gives how
 * many were refused meanwhile.
 */
async function untilOneProbes(breaker: string, arrivals: number): Promise<number> {
  await until('the probe', () => calling.dependency.arrivals.length >= arrivals || undefined)
  await untilAll(breaker, 'halfOpen')
  const refused = await untilAllHave('refused', 5)
  expect(calling.dependency.arrivals).toHaveLength(arrivals)
  expect(calling.dependency.waiting).toBe(1)
  return refused
}

async function untilAll(breaker: string, mode: string): Promise<void> {
  await until(`all to be ${mode}`, async () => {
    const states = (await calling.fleet.ask('states', breaker)).flat()
    return states.every((state) => state.mode === mode && state.scope === 'fleet') || undefined
  })
}

/** From now on each instance has so many calls refused or admitted. Gives how many all have. */
async function untilAllHave(what: 'refused' | 'admitted', times: number): Promise<number> {
  await calling.fleet.ask('tallies')
  const counts = new Map<string, number>()
  await until(`every instance's calls to be ${what}`, async () => {
    for (const tally of (await calling.fleet.ask('tallies')).flat())
      counts.set(tally.instance, (counts.get(tally.instance) ?? 0) + tally[what])
    return [...counts.values()].every((count) => count >= times) || undefined
  })
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}
