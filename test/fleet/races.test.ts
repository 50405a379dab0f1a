import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { retainedPerTopic } from '../../src/ports/event-log.ts'
import { freshName } from '../../src/testing/port-contracts/contract.ts'
import { startNatsCluster } from '../servers/nats-cluster.ts'
import { startNats } from '../servers/start-nats.ts'
import { until } from '../servers/until.ts'
import { commonNow } from './common-clock.ts'
import { type FleetProcesses, startFleet } from './fleet-processes.ts'
import { acceptedOf, foldAll, readLog, type ReadMessage } from './read-log.ts'
import { type Wire, watchWire } from './wire.ts'

const breaker = 'smtp'
const options = { failureThreshold: 1, recoveryTimeoutMs: 300, recoveryBackoff: { jitter: 'none' } } as const
const breakers = { [breaker]: options }
const rounds = 5

let fleet: FleetProcesses
let endServer: () => Promise<unknown>
const name = freshName('racing')

beforeAll(async () => {
  const server = await startNats()
  endServer = () => server.stop()
  fleet = await startFleet({ processes: 4, instances: 200, servers: server.url, fleet: name, breakers })
  await watch(server.url)
})
afterAll(async () => {
  await wire.end()
  await fleet.end()
  await endServer()
})

let wire: Wire
let servers: string | readonly string[]

async function watch(of: string | readonly string[]): Promise<void> {
  servers = of
  wire = await watchWire(of, name)
}

describe('200 instances in 4 processes that trip at once and then all want to be the probe', () => {
  test('agree on one event at each position, on one node', async () => {
    await race({ rounds, jitter: true })
    await race({ rounds, jitter: false })
    const accepted = await settle('on one node')
    // One node lets nobody in twice.
    expect(wire.stored).toHaveLength(accepted)
  })

  test('agree on one event at each position, on three nodes that may store several', async () => {
    await wire.end()
    await endServer()
    const cluster = await startNatsCluster()
    endServer = () => cluster.remove()
    await fleet.rejoin({ servers: cluster.urls, replicas: 3, fleet: name, breakers })
    await watch(cluster.urls)
    await race({ rounds: 2 * rounds, jitter: true })
    await settle(`on three nodes of nats-server ${cluster.version} with three copies`)
  })
})

/** Each round has two races of all instances, to open and to claim the probe, and the probe's own word. */
async function race({ rounds, jitter }: { readonly rounds: number; readonly jitter: boolean }): Promise<void> {
  await fleet.ask('jitter', jitter)
  for (let round = 1; round <= rounds; round++) {
    await fleet.ask('fail', { breaker, atMs: commonNow() + 100 })
    await until('all to be open', () => areAll('open'), 90_000)
    // A claim that is accepted late is for the next call.
    const closed = async (): Promise<true | undefined> => {
      await fleet.ask('pass', breaker)
      return areAll('closed')
    }
    await until('all to be closed', closed, 90_000)
  }
}

/** Opened and closed; on a busy machine a failure of the round comes so late that it is the probe. */
const story = /^(opened (probeClaimed reopened )*probeClaimed closed ?)+$/

/** Reads what was stored, and looks whether everybody has made the same of it. Gives how many events were accepted. */
async function settle(where: string): Promise<number> {
  const all = foldAll(wire.stored)
  // Whoever tells of it has missed nothing himself.
  expect(wire.stored.map(({ seq }) => seq)).toEqual(wire.stored.map((_, n) => n + 1))
  const accepted = acceptedOf(all)
  expect(accepted.map(({ name }) => name).join(' ')).toMatch(story)
  expect(accepted.filter(({ name }) => name === 'opened')).toHaveLength(2 * rounds)
  expect(new Set(accepted.map(({ expected }) => expected)).size).toBe(accepted.length)

  const word = accepted.map(({ seq, state: { mode, term } }) => `${seq} ${mode} ${term}`)
  for (const seen of await fleetTransitions()) expect(seen).toEqual(word)
  const health = (await fleet.ask('health')).flat()
  expect(health.map(({ divergences }) => divergences)).toEqual(fleet.instances.map(() => 0))
  expect(new Set((await fleet.ask('states', breaker)).flat().map(({ agreed }) => agreed)).size).toBe(1)
  console.info(`200 instances racing ${where}: ${await figures(all)}`)
  return accepted.length
}

/** What each instance took for the fleet's word, in order. */
async function fleetTransitions(): Promise<readonly (readonly string[])[]> {
  const seen = (await fleet.ask('transitions', breaker)).flat().filter(({ scope }) => scope === 'fleet')
  return fleet.instances.map((of) =>
    seen.filter(({ instance }) => instance === of).map(({ seq, to, term }) => `${seq} ${to} ${term}`),
  )
}

async function figures(all: readonly ReadMessage[]): Promise<string> {
  const told = (await fleet.ask('appends')).reduce((sum, { stored }) => sum + stored, 0)
  const atPosition = new Map<number, number>()
  for (const { message } of all) atPosition.set(message.expected, (atPosition.get(message.expected) ?? 0) + 1)
  const crowds = [...atPosition.values()].filter((size) => size > 1)
  const accepted = all.filter(({ verdict }) => verdict.accepted)
  // What is stored in excess takes the place of what counts.
  const kept = new Set((await readLog(servers, name, breaker)).map(({ message }) => message.seq))
  expect(kept.size).toBe(Math.min(all.length, retainedPerTopic))
  return (
    `${wire.published} published, ${told} told 'stored', ${all.length} stored, ${accepted.length} accepted, one at each ` +
    `position; several were stored at ${crowds.length} of these, ${Math.max(1, ...crowds)} at the most; of the ` +
    `accepted ones the stream still has ${accepted.filter(({ message }) => kept.has(message.seq)).length}`
  )
}

async function areAll(mode: string): Promise<true | undefined> {
  const states = (await fleet.ask('states', breaker)).flat()
  return states.every((state) => state.mode === mode && state.scope === 'fleet') || undefined
}
