import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshName } from '../../src/testing/port-contracts/contract.ts'
import { until } from '../servers/until.ts'
import { commonNow } from './common-clock.ts'
import { type CallingFleet, startCallingFleet } from './calling-fleet.ts'

const failureRate = { over: { ms: 60_000 }, threshold: 0.5, minimumCalls: 12 }
const breakers = {
  alone: { failureThreshold: false, failureRate },
  together: { failureThreshold: false, failureRate, sharedEvidence: true },
} as const

let calling: CallingFleet
beforeAll(async () => {
  calling = await startCallingFleet(freshName('thin'), breakers)
})
afterAll(() => calling.end())

describe('50 instances with one call each a second', () => {
  test('find a dead dependency at least ten times sooner with shared evidence', async () => {
    await calling.fleet.ask('traffic', { breakers: Object.keys(breakers), everyMs: 1_000 })
    await until(
      'every instance to have called both',
      () => callsMade() >= 2 * calling.fleet.instances.length || undefined,
    )
    calling.dependency.behave('fails')
    const deadMs = commonNow()
    const together = await untilFound('together', deadMs)
    const alone = await untilFound('alone', deadMs)
    const [detected, everywhere] = [alone.first / together.first, alone.everywhere / together.everywhere]
    console.info(
      `50 instances, one call a second each, half of at least ${failureRate.minimumCalls} calls failed, nothing scaled; ` +
        `from the death to the first trip / to all refusing: with shared evidence ${seconds(together)}, without ` +
        `${seconds(alone)}; ${detected.toFixed(1)} / ${everywhere.toFixed(1)} times sooner`,
    )
    expect(detected).toBeGreaterThanOrEqual(10)
  })
})

interface Found {
  readonly first: number
  readonly everywhere: number
}

/** How long after its death the dependency was found dead, by the first instance and by all, in ms. */
async function untilFound(breaker: keyof typeof breakers, deadMs: number): Promise<Found> {
  await until(
    `all to refuse calls of ${breaker}`,
    async () => {
      const states = (await calling.fleet.ask('states', breaker)).flat()
      return states.every(({ mode }) => mode === 'open') || undefined
    },
    40_000,
  )
  const refusing = new Map<string, number>()
  for (const { instance, refuses, seenMs } of (await calling.fleet.ask('transitions', breaker)).flat())
    if (refuses && !refusing.has(instance)) refusing.set(instance, seenMs - deadMs)
  expect(refusing.size).toBe(calling.fleet.instances.length)
  return { first: Math.min(...refusing.values()), everywhere: Math.max(...refusing.values()) }
}

function callsMade(): number {
  return new Set(calling.dependency.arrivals.map(({ breaker, instance }) => `${breaker} ${instance}`)).size
}

function seconds({ first, everywhere }: Found): string {
  return `${(first / 1_000).toFixed(2)} s / ${(everywhere / 1_000).toFixed(2)} s`
}
