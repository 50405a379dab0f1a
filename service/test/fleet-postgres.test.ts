import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../test/servers/until.ts'
import { sized } from '../../test/sized.ts'
import { figures, fleetAlerts, print, receiptsById, tally, wronglyArrived } from './servers/fleet-alerts.ts'
import { type OutsideWorld, startOutsideWorld } from './servers/outside-world.ts'
import { type ServiceFleet, startServiceFleet } from './servers/service-fleet.ts'
import { steadyPublishing, steadyTraffic } from './servers/steady-traffic.ts'

const { fleetName, alertsNamed, messagesOf, configFor, settledOutcomes } = fleetAlerts()

const perSecond = sized(40, 150)
const trafficMs = sized(15_000, 60_000)
/** One in so many comes over NATS. */
const overNats = 10
/** When faults begin, and how long they last at least, in ms from the first alert. */
const faults = {
  restarted: { afterMs: sized(3_000, 10_000), forMs: sized(1_000, 5_000) },
  frozen: { afterMs: sized(8_000, 30_000), forMs: sized(3_000, 10_000) },
}
/** How long the webhook takes to answer, in ms: when PostgreSQL goes, something has been sent that is not written down. */
const hookMs = 300
/**
 * What a request may take while PostgreSQL is away, in ms: docs/operations.md says so. The suite's machine may be busy with
 * other tests: then it may not hang.
 */
const answerMsMax = sized(60_000, 25_000)
/** Longer than a claim lasts that PostgreSQL has kept, and of which the answer was lost. */
const settledWithinMs = 120_000

let world: OutsideWorld
let fleet: ServiceFleet
beforeAll(async () => {
  world = await startOutsideWorld()
  const { answer } = world.hook
  world.hook.answer = (request, response) => void setTimeout(() => answer(request, response), hookMs)
  // Who answers may be late on a busy machine: what arrived and was given up would arrive again.
  fleet = await startServiceFleet(3, fleetName, configFor(world, 30_000))
}, 120_000)
afterAll(async () => {
  await fleet.end()
  await world.close()
})

it('Three instances lose and repeat nothing while their PostgreSQL crashes and is frozen, and answer in time', async () => {
  const all = alertsNamed('away', (perSecond * trafficMs) / 1_000)
  const published = all.filter((_, index) => index % overNats === 0)
  const posted = all.filter((_, index) => index % overNats !== 0)
  const startedAt = performance.now()
  const at = (ms: number): Promise<void> => sleep(Math.max(0, startedAt + ms - performance.now()))
  const [report, , noticed] = await Promise.all([
    steadyTraffic({
      alerts: posted,
      alertsInPost: 5,
      perSecond: perSecond * (1 - 1 / overNats),
      urls: () => fleet.instances.map(({ url }) => url),
    }),
    steadyPublishing(fleet.nats.url, fleetName, published, perSecond / overNats),
    postgresFails(),
  ])
  const lastAcceptedAt = performance.now()
  const outcomes = await settledOutcomes(fleet.database, all, settledWithinMs)
  const settledAfterMs = performance.now() - lastAcceptedAt
  const repeated = [...receiptsById(world.receipts).values()].filter(({ length }) => length > 1)
  const codes = await Promise.all(fleet.instances.map((instance) => instance.terminate()))
  print({
    'alerts, of them over NATS': `${all.length}, ${published.length}`,
    outcomes: tally(outcomes.map(({ of, state }) => `${of.split('/')[2]} ${state}`)),
    'accepted requests, in ms': figures(report.answeredMs),
    'requests made again, by answer and Retry-After': report.otherwise,
    'those, in ms': figures(report.otherwiseMs),
    'all not ready after it was away, and ready after it was back, in ms': noticed,
    'sent twice': repeated.length,
    'all settled after the last was accepted, in ms': Math.round(settledAfterMs),
    'exit codes': codes,
  })

  expect(outcomes.map(({ of }) => of).toSorted()).toEqual(messagesOf(all))
  expect(outcomes.filter(({ state }) => state !== 'delivered')).toEqual([])
  expect(wronglyArrived(outcomes, world.receipts)).toEqual([])
  // None: who sent it has it in hand, and tries to write that down until PostgreSQL is back, which is before its lease ends.
  expect(repeated).toEqual([])
  expect(Object.keys(report.otherwise).filter((answer) => answer !== '503, 1')).toEqual([])
  expect(Math.max(...report.answeredMs, ...report.otherwiseMs)).toBeLessThan(answerMsMax)
  expect(codes).toEqual([0, 0, 0])

  async function postgresFails(): Promise<Record<string, readonly number[]>> {
    const { restarted, frozen } = faults
    await at(restarted.afterMs)
    await fleet.postgres.kill()
    const afterKill = await allSay(503)
    await at(restarted.afterMs + restarted.forMs)
    await fleet.postgres.start()
    const afterStart = await allSay(200)
    await at(frozen.afterMs)
    fleet.postgres.freeze()
    const afterFreeze = await allSay(503)
    await at(frozen.afterMs + frozen.forMs)
    fleet.postgres.thaw()
    return { restarted: [afterKill, afterStart], frozen: [afterFreeze, await allSay(200)] }
  }
})

/** How long it took, in ms, until all instances said that of their readiness. */
async function allSay(status: number): Promise<number> {
  const askedAt = performance.now()
  await until(
    `/readyz to be ${status}`,
    async () => {
      const answers = await Promise.all(fleet.instances.map(({ url }) => fetch(`${url}/readyz`)))
      return answers.every((answer) => answer.status === status) || undefined
    },
    60_000,
  )
  return Math.round(performance.now() - askedAt)
}
