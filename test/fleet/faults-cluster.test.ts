import { afterAll, beforeAll, expect, test } from 'vitest'
import { leaseGraceMs } from '../../src/machines/breaker-decide.ts'
import { asOperator } from '../adapters/nats/seen.ts'
import { type NatsCluster, startNatsCluster } from '../servers/nats-cluster.ts'
import { until } from '../servers/until.ts'
import { everyUnit, type FaultFleet, leaseMs, startFaultFleet, type Unit } from './fault-rig.ts'
import { agreeAgain, expectNoneWaited, hasTripped } from './fault-steps.ts'

const stream = 'SWITCHGEAR_faults'

let cluster: NatsCluster
let fleet: FaultFleet
beforeAll(async () => {
  cluster = await startNatsCluster()
  fleet = await startFaultFleet(
    Array.from({ length: 6 }, (_, n) => ({ servers: rotated(cluster.urls, n), replicas: 3, heartbeatMs: 1_000 })),
  )
})
afterAll(async () => {
  await fleet?.end()
  await cluster.remove()
})

test('the leader of the stream is killed, and again while a probe is under way: no call waits, and afterwards all agree', async () => {
  const { units, load } = fleet
  const [one, two] = units
  if (one === undefined || two === undefined) throw new Error('there is no fleet')

  const first = await cluster.leaderOf(stream)
  const killedAt = performance.now()
  await first.kill()
  load.break('lasting', one.gear.instance)
  await hasTripped(one, 'lasting')
  await everyUnit(units, 'to hear of it', (unit) => isOpenForAll(unit))
  const heardAfter = performance.now() - killedAt
  await first.start()
  await everyUnit(units, 'to be linked', (unit) => unit.gear.health().link === 'linked')
  await until('all copies to be current', copiesAreCurrent, 30_000)

  load.break('smtp', one.gear.instance)
  await everyUnit(units, 'to open', (unit) => unit.state('smtp').mode === 'open')
  load.mend('smtp', one.gear.instance)
  let release = (): void => {}
  load.hold(new Promise((resolve) => (release = resolve)))
  await until('a probe', () => load.probes.length > 0 || undefined)
  const second = await cluster.leaderOf(stream)
  const killedAgainAt = performance.now()
  await second.kill()
  release()
  await everyUnit(units, 'to close', (unit) => unit.state('smtp').mode === 'closed')
  const closedAfter = performance.now() - killedAgainAt
  await second.start()
  await agreeAgain(fleet, [one])
  const waits = expectNoneWaited(fleet)
  console.info(
    `leader killed: all had heard of a trip after ${heardAfter.toFixed(0)} ms; ` +
      `killed during a probe (lease ${leaseMs} ms, grace ${leaseGraceMs} ms): all closed after ${closedAfter.toFixed(0)} ms; ${waits}`,
  )
  expect(load.leaks).toEqual([])
})

/** Else the next leader that dies takes the majority with it. */
function copiesAreCurrent(): Promise<true | undefined> {
  return asOperator(cluster.urls[0] ?? '', async (jsm) => {
    const { cluster: raft } = await jsm.streams.info(stream)
    const copies = raft?.replicas ?? []
    return (copies.length === 2 && copies.every(({ current, offline }) => current && !offline)) || undefined
  })
}

function isOpenForAll(unit: Unit): boolean {
  const { mode, scope } = unit.state('lasting')
  return mode === 'open' && scope === 'fleet'
}

/** Instances connect to one server each, in turn, and know of all. */
function rotated(urls: readonly string[], n: number): readonly string[] {
  return urls.map((_, i) => urls[(i + n) % urls.length] ?? '')
}
