import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { initialState, type FleetState } from '../../src/machines/fleet-state.ts'
import type { Fact } from '../../src/machines/breaker-events.ts'
import { retainedPerTopic } from '../../src/ports/event-log.ts'
import { freshName } from '../../src/testing/port-contracts/contract.ts'
import type { Server } from '../servers/server-process.ts'
import { startNats } from '../servers/start-nats.ts'
import { startTcpProxy, type TcpProxy } from '../servers/tcp-proxy.ts'
import { until } from '../servers/until.ts'
import { type FleetProcesses, startFleet } from './fleet-processes.ts'
import { author, type RawLog, writeRaw } from './raw-log.ts'
import { acceptedOf, readLog } from './read-log.ts'
import type { SeenTransition } from './fleet-worker.ts'

const name = freshName('long')
const names = Array.from({ length: 1_000 }, (_, n) => `b-${String(n).padStart(3, '0')}`)
const breakers = Object.fromEntries(names.map((name) => [name, { failureThreshold: 1 }]))

let server: Server
let raw: RawLog
let wire: TcpProxy
const fleets: FleetProcesses[] = []
beforeAll(async () => {
  server = await startNats()
  wire = await startTcpProxy(server.url)
  // Its one instance makes the stream.
  const maker = await startFleet({ processes: 1, instances: 1, servers: server.url, fleet: name, breakers: {} })
  fleets.push(maker)
  raw = await writeRaw(server.url, name)
  for (let round = 1; round < retainedPerTopic; round++) await writeRound((n) => (round % 2 === 1 ? opened : restOf(n)))
  await writeRound(lastOf)
  expect(await messages()).toBe(names.length * retainedPerTopic)
})
afterAll(async () => {
  await raw.end()
  for (const fleet of fleets) await fleet.end()
  await wire.stop()
  await server.stop()
})

describe('an instance that joins a log of 1,000 breakers with 64 events each', () => {
  let joiner: FleetProcesses

  test('is protected before it is certain, and loosens nothing before', async () => {
    joiner = await startFleet({ processes: 1, instances: 1, servers: wire.url, fleet: name, breakers })
    fleets.push(joiner)
    const began = (await joiner.ask('links')).flat()[0]?.seenMs ?? Number.NaN
    const linkedMs = await linkedAt(joiner, 1)
    const strict = names.filter((_, n) => lastOf(n) === opened)
    const seen = await all(joiner)
    const refusing = strict.map(
      (name) => seen.find(({ breaker, refuses }) => breaker === name && refuses)?.seenMs ?? Infinity,
    )
    const protectedMs = Math.max(...refusing)
    expect(protectedMs).toBeLessThan(linkedMs)
    const previews = (await joiner.ask('previews')).flat()
    expect(previews).toHaveLength(names.length)
    // Also `disabled`, which admits without counting, is looser than what an instance starts with.
    for (const { shown, mode } of previews) expect(mode).toBe(shown === 'forcedOpen' ? 'forcedOpen' : 'closed')
    await expectModes(joiner, (n) => modeAfter(lastOf(n)))
    console.info(
      `${names.length} breakers × ${retainedPerTopic} events: protected after ${(protectedMs - began).toFixed(0)} ms, certain ` +
        `after ${(linkedMs - began).toFixed(0)} ms, ${((linkedMs - began) / (protectedMs - began)).toFixed(1)} times later`,
    )
    for (const sample of [0, 1, 2, 3]) await expectAccepted(names[sample] ?? '')
  })

  test('loosens nothing on the preview when it comes back to a log that has loosened', async () => {
    const before = (await joiner.ask('previews')).flat().length
    wire.accept(false)
    wire.cut()
    await until('the link to be down', async () => (await lastLink(joiner)) !== 'linked' || undefined, 30_000)
    for (let round = 1; round <= 2; round++) await writeRound((n) => (round === 1 ? opened : looserOf(n)))
    wire.accept(true)
    const linkedMs = await linkedAt(joiner, 2)
    const previews = (await joiner.ask('previews')).flat().slice(before)
    const held = names.filter((_, n) => modeAfter(lastOf(n)) === 'forcedOpen')
    const looser = previews.filter(({ breaker, shown }) => held.includes(breaker) && shown !== 'forcedOpen')
    expect(looser).toHaveLength(held.length)
    expect(new Set(looser.map(({ mode }) => mode))).toEqual(new Set(['forcedOpen']))
    expect(Math.max(...looser.map(({ seenMs }) => seenMs))).toBeLessThan(linkedMs)
    await expectModes(joiner, (n) => modeAfter(looserOf(n)))
    console.info(`relinked: ${looser.length} previews were looser than what was in force, and none of them took effect`)
  })
})

const order = { by: 'ann', reason: 'a test' }
const opened: Fact = { type: 'forcedOpen', order }
const disabled: Fact = { type: 'disabled', order }
const released: Fact = { type: 'released', order }

/** Three in four end open; the others as they would be loosest: closed, or disabled. */
function lastOf(n: number): Fact {
  return n % 4 < 3 ? opened : restOf(n)
}

function restOf(n: number): Fact {
  return n % 8 < 4 ? released : disabled
}

function looserOf(n: number): Fact {
  return n % 2 === 0 ? released : disabled
}

function modeAfter({ type }: Fact): string {
  return type === 'released' ? 'closed' : type
}

const states = new Map<string, FleetState>()
let written = 0

/** One more event of each breaker, in their order: so its place, and its predecessor's, are known beforehand. */
async function writeRound(factOf: (n: number) => Fact): Promise<void> {
  for (const [n, breaker] of names.entries()) {
    const id = `${written} ${breaker}`
    const before = states.get(breaker) ?? initialState
    const { data, state } = author(name, { breaker, id, before, fact: factOf(n), at: Date.now() })
    states.set(breaker, state)
    raw.send({ breaker, id, expected: written === 0 ? 0 : (written - 1) * names.length + n + 1, data })
  }
  written++
  await raw.flush()
}

async function messages(): Promise<number> {
  const nc = await connect({ servers: server.url })
  const jsm = await jetstreamManager(nc)
  const { state } = await jsm.streams.info(`SWITCHGEAR_${name}`)
  await nc.close()
  return state.messages
}

/** What was written is what an instance would have written: the fold takes all of it that it can check. */
async function expectAccepted(breaker: string): Promise<void> {
  const read = await readLog(server.url, name, breaker)
  expect(acceptedOf(read)).toHaveLength(retainedPerTopic)
  expect(read.filter(({ verdict }) => verdict.accepted && verdict.divergence !== undefined)).toEqual([])
}

async function all(fleet: FleetProcesses): Promise<readonly SeenTransition[]> {
  return (await fleet.ask('transitions')).flat()
}

/** When the link came up for the so-manieth time. */
async function linkedAt(fleet: FleetProcesses, times: number): Promise<number> {
  const link = await until(
    'the link to be up',
    async () => (await fleet.ask('links')).flat().filter(({ state }) => state === 'linked')[times - 1],
    60_000,
  )
  return link.seenMs
}

async function lastLink(fleet: FleetProcesses): Promise<string | undefined> {
  return (await fleet.ask('links')).flat().at(-1)?.state
}

async function expectModes(fleet: FleetProcesses, modeOf: (n: number) => string): Promise<void> {
  const [modes = []] = await fleet.ask('modes', fleet.instances[0] ?? '')
  expect(modes).toEqual(names.map((breaker, n) => ({ breaker, mode: modeOf(n) })))
}
