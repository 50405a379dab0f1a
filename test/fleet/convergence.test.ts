import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshName } from '../../src/testing/port-contracts/contract.ts'
import type { Server } from '../servers/server-process.ts'
import { startNats } from '../servers/start-nats.ts'
import { until } from '../servers/until.ts'
import { commonNow } from './common-clock.ts'
import { type FleetProcesses, startFleet } from './fleet-processes.ts'
import { medianOf } from './median-of.ts'

const rounds = 20
const breakers = Array.from({ length: rounds }, (_, round) => `smtp-${round}`)

let server: Server
let fleet: FleetProcesses
beforeAll(async () => {
  server = await startNats()
  fleet = await startFleet({
    processes: 4,
    instances: 50,
    servers: server.url,
    fleet: freshName('converging'),
    breakers: Object.fromEntries(breakers.map((name) => [name, {}])),
  })
})
afterAll(async () => {
  await fleet.end()
  await server.stop()
})

describe('50 instances in 4 processes', () => {
  test('have one clock to be measured with', async () => {
    for (const process of fleet.processes) {
      const before = commonNow()
      const there = await process.ask('now')
      expect(there).toBeGreaterThan(before)
      expect(there).toBeLessThan(commonNow())
    }
  })

  test('all refuse once one of them has tripped, whichever it is', async () => {
    const tookMs: number[] = []
    for (const [round, breaker] of breakers.entries()) {
      const author = fleet.instances[(round * 7) % fleet.instances.length] ?? ''
      for (let failure = 1; failure <= 4; failure++) await fleet.of(author).ask('fail', { breaker, by: [author] })
      expect(await refusing(breaker)).toHaveLength(0)
      await fleet.of(author).ask('fail', { breaker, by: [author] })
      tookMs.push(await untilAllRefuse(breaker, author))
    }
    for (const breaker of breakers) {
      const calls = (await fleet.ask('call', { breaker })).flat()
      expect(calls.map(({ outcome }) => outcome)).toEqual(fleet.instances.map(() => 'refused'))
    }
    console.info(
      `from the local trip to the last of ${fleet.instances.length} instances refusing, with the author's 0 to 50 ms of ` +
        `jitter, the append and the fan-out, ${rounds} rounds: median ${medianOf(tookMs).toFixed(1)} ms, ` +
        `maximum ${Math.max(...tookMs).toFixed(1)} ms`,
    )
  })

  test('stand in the same state to the byte, and none has seen another disagree', async () => {
    for (const breaker of breakers) {
      const states = (await fleet.ask('states', breaker)).flat()
      expect(states).toHaveLength(fleet.instances.length)
      expect(new Set(states.map(({ agreed }) => agreed)).size).toBe(1)
      expect(states[0]).toMatchObject({ mode: 'open', scope: 'fleet' })
    }
    const health = (await fleet.ask('health')).flat()
    expect(health.map(({ divergences, ignored }) => divergences + ignored)).toEqual(health.map(() => 0))
  })
})

/** The instances that have the breaker open. */
async function refusing(breaker: string): Promise<readonly string[]> {
  const states = (await fleet.ask('states', breaker)).flat()
  return states.filter(({ mode }) => mode === 'open').map(({ instance }) => instance)
}

/** From the author's own trip to when the last instance refused its calls, in ms. */
async function untilAllRefuse(breaker: string, author: string): Promise<number> {
  await until(`all to refuse calls of ${breaker}`, async () => {
    const agreed = (await fleet.ask('states', breaker))
      .flat()
      .filter(({ mode, scope }) => mode === 'open' && scope === 'fleet')
    return agreed.length === fleet.instances.length || undefined
  })
  const seen = (await fleet.ask('transitions', breaker)).flat()
  const tripped = seen.find(({ instance, scope }) => instance === author && scope === 'local')
  if (tripped === undefined) throw new Error(`${author} has not tripped by itself`)
  const refused = seen.filter(({ to, refuses, seenMs }) => to === 'open' && refuses && seenMs >= tripped.seenMs)
  const first = new Map(refused.toReversed().map(({ instance, seenMs }) => [instance, seenMs]))
  expect(first.size).toBe(fleet.instances.length)
  return Math.max(...first.values()) - tripped.seenMs
}
