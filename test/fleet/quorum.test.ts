import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshName } from '../../src/testing/port-contracts/contract.ts'
import { until } from '../servers/until.ts'
import { type CallingFleet, startCallingFleet } from './calling-fleet.ts'
import { startDependency } from './dependency.ts'
import { acceptedOf, readLog } from './read-log.ts'

const breaker = 'smtp'
const name = freshName('quorum')

let calling: CallingFleet
beforeAll(async () => {
  calling = await startCallingFleet(name, {
    [breaker]: { quorum: 3, recoveryTimeoutMs: 1_000, recoveryBackoff: { multiplier: 1 } },
  })
  await calling.fleet.ask('traffic', { breakers: [breaker], everyMs: 50 })
})
afterAll(() => calling.end())

describe('50 instances with quorum 3 and a healthy dependency', () => {
  test('have it open on the two that cannot reach it, and nowhere else', async () => {
    const sick = await fallSick(3, 17)
    await until('both to vote', async () => (await votes()).length === 2 || undefined)
    await untilOpen(sick)
    // For longer than the sick ones need to fail again: whatever could spread has spread by then.
    await untilAllHave({ calls: 30 })
    expect(await openOn()).toEqual(sick)
    // Of ten calls in half a second at most one is a probe of their own.
    const [reached, refused] = [await reachedBy(), await untilAllHave({ calls: 10 })]
    expect(reached).toEqual(calling.fleet.instances.filter((instance) => !sick.includes(instance)))
    for (const of of sick) expect(refused.get(of)?.refused).toBeGreaterThan(0)
    const events = acceptedOf(await readLog(calling.server.url, name, breaker)).map(({ name }) => name)
    expect(new Set(events)).toEqual(new Set(['voted']))
    console.info(
      `quorum 3: ${sick.join(' and ')} cannot reach the dependency and are open, ${reached.length} others are closed and ` +
        `reach it; the log has ${events.length} votes and no opening`,
    )
  })

  test('close it by their own probes when they can reach it again', async () => {
    await calling.fleet.ask('reach', { by: calling.fleet.instances, dependency: calling.dependency.url })
    await untilOpen([])
  })

  test('have it open everywhere when a third cannot reach it either', async () => {
    const sick = await fallSick(3, 17, 42)
    await until('the fleet to open', async () => {
      const states = (await calling.fleet.ask('states', breaker)).flat()
      return states.every(({ mode, scope }) => mode !== 'closed' && scope === 'fleet') || undefined
    })
    const opened = acceptedOf(await readLog(calling.server.url, name, breaker)).find(({ name }) => name === 'opened')
    const voters = opened?.event.before.votes.map(({ voter }) => voter).toSorted()
    // Those of the first two still count, a minute long.
    expect(voters).toEqual(sick)
    console.info(`quorum 3: the fleet has opened on the votes of ${sick.join(', ')}`)
  })
})

/** These instances find nobody at the dependency's address. Gives their names, in order. */
async function fallSick(...numbers: readonly number[]): Promise<readonly string[]> {
  const by = numbers.map((n) => calling.fleet.instances[n] ?? '')
  const gone = await startDependency()
  await gone.end()
  await calling.fleet.ask('reach', { by, dependency: gone.url })
  return by
}

/** Who has voted, as the log has it. */
async function votes(): Promise<readonly string[]> {
  const accepted = acceptedOf(await readLog(calling.server.url, name, breaker))
  return [...new Set(accepted.filter(({ name }) => name === 'voted').map(({ by }) => by))]
}

async function openOn(): Promise<readonly string[]> {
  const states = (await calling.fleet.ask('states', breaker)).flat()
  return states.flatMap(({ instance, mode }) => (mode === 'closed' ? [] : [instance])).toSorted()
}

async function untilOpen(on: readonly string[]): Promise<void> {
  await until(`${on.join(', ') || 'none'} to be open`, async () => {
    return (await openOn()).join() === on.join() || undefined
  })
}

/** Who reaches the dependency, while each instance calls so often that it would be seen. */
async function reachedBy(): Promise<readonly string[]> {
  const before = calling.dependency.arrivals.length
  await untilAllHave({ calls: 10 })
  return [...new Set(calling.dependency.arrivals.slice(before).map(({ instance }) => instance))].toSorted()
}

/** From now on each instance has made so many calls. Gives what came of them. */
async function untilAllHave({ calls }: { readonly calls: number }) {
  await calling.fleet.ask('tallies')
  const counts = new Map<string, { readonly admitted: number; readonly refused: number }>()
  await until(`every instance to make ${calls} calls`, async () => {
    for (const { instance, admitted, refused } of (await calling.fleet.ask('tallies')).flat()) {
      const before = counts.get(instance) ?? { admitted: 0, refused: 0 }
      counts.set(instance, { admitted: before.admitted + admitted, refused: before.refused + refused })
    }
    return [...counts.values()].every(({ admitted, refused }) => admitted + refused >= calls) || undefined
  })
  return counts
}
