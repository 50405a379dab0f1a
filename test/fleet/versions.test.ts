import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeEvent } from '../../src/machines/breaker-codec.ts'
import { initialState } from '../../src/machines/fleet-state.ts'
import { freshName } from '../../src/testing/port-contracts/contract.ts'
import type { Server } from '../servers/server-process.ts'
import { startNats } from '../servers/start-nats.ts'
import { until } from '../servers/until.ts'
import { type FleetProcesses, startFleet } from './fleet-processes.ts'
import { author, type RawLog, writeRaw } from './raw-log.ts'
import { acceptedOf, readLog } from './read-log.ts'

const name = freshName('versions')
const options = { failureThreshold: 1, recoveryTimeoutMs: 300, recoveryBackoff: { jitter: 'none' } } as const
const breakers = { smtp: options, slack: options, hook: options }

let server: Server
let fleet: FleetProcesses
let raw: RawLog
beforeAll(async () => {
  server = await startNats()
  fleet = await startFleet({ processes: 3, instances: 12, servers: server.url, fleet: name, breakers })
  raw = await writeRaw(server.url, name)
})
afterAll(async () => {
  await raw.end()
  await fleet.end()
  await server.stop()
})

describe('12 instances in 3 processes that meet what they cannot know', () => {
  test('take an event of an unknown type by its after, and go on from there', async () => {
    const seq = await raw.append({ breaker: 'smtp', id: 'from the future', expected: 0, data: futureEvent('smtp') })
    await untilAll('smtp', { mode: 'open', term: 7 })
    // Its recovery time was in its after, and is over: one of them probes, under a lease of its own.
    await untilAll('smtp', { mode: 'closed', term: 7 }, () => fleet.ask('pass', 'smtp'))
    await fleet.ask('fail', { breaker: 'smtp' })
    await untilAll('smtp', { mode: 'open', term: 8 })
    const events = acceptedOf(await readLog(server.url, name, 'smtp'))
    expect(events.map(({ name, state: { term } }) => `${name} ${term}`)).toEqual([
      'quarantined 7',
      'probeClaimed 7',
      'closed 7',
      'opened 8',
    ])
    expect(events[1]?.expected).toBe(seq)
    await expectAgreement('smtp')
  })

  test('take a newer version of a type that they know by its after as well', async () => {
    const { event } = author(name, { breaker: 'slack', id: 'newer', before: initialState, ...forced, at: Date.now() })
    const data = encodeEvent({ ...event, type: event.type.replace('.v1', '.v2') })
    await raw.append({ breaker: 'slack', id: 'newer', expected: 0, data })
    await untilAll('slack', { mode: 'forcedOpen', term: 1 })
    await expectAgreement('slack')
  })

  test('pass over what cannot be read, count it, tell of it once a breaker, and are stopped by nothing', async () => {
    let last = 0
    for (const [n, bytes] of garbage.entries())
      last = await raw.append({ breaker: 'hook', id: `garbage ${n}`, expected: last, data: bytes })
    const inAll = fleet.instances.length * garbage.length
    await until('all to have read it', async () => (await undecodable()) === inAll || undefined)
    await untilAll('hook', { mode: 'closed', term: 0 })
    await fleet.ask('fail', { breaker: 'hook' })
    await untilAll('hook', { mode: 'open', term: 1 })
    await untilAll('hook', { mode: 'closed', term: 1 }, () => fleet.ask('pass', 'hook'))
    expect(acceptedOf(await readLog(server.url, name, 'hook'))[0]?.expected).toBe(last)
    await expectAgreement('hook')
    const warnings = (await fleet.ask('warnings'))
      .flat()
      .filter(({ breaker, text }) => breaker === 'hook' && text.includes('cannot be read'))
    expect(warnings.map(({ instance }) => instance).toSorted()).toEqual(fleet.instances)
    console.info(
      `${garbage.length} messages that cannot be read: counted by each of ${fleet.instances.length} instances, told of ` +
        `${warnings.length} times, once an instance; the breaker opened and closed afterwards`,
    )
  })
})

const forced = { fact: { type: 'forcedOpen', order: { by: 'ann', reason: 'a test' } } } as const

/** Well formed, of a type that nobody here knows. */
function futureEvent(breaker: string): Uint8Array {
  const { event } = author(name, {
    breaker,
    id: 'from the future',
    before: initialState,
    fact: { type: 'opened', quorum: 1, retryAfterMs: 300 },
    at: Date.now(),
  })
  const after = { ...event.after, term: 7, failedRecoveries: 2 }
  return encodeEvent({ ...event, after, term: 7, type: 'io.switchgear.breaker.quarantined.v3' })
}

const bytes = new TextEncoder()
const garbage: readonly Uint8Array[] = [
  new Uint8Array(0),
  new Uint8Array([0xff, 0xfe, 0xc0, 0x80]),
  bytes.encode('{'),
  bytes.encode('null'),
  bytes.encode('{"specversion":"1.0"}'),
  bytes.encode('{"specversion":"1.0","id":"garbage 5","type":"io.switchgear.breaker.opened.v1","data":{}}'),
]

async function untilAll(
  breaker: string,
  { mode, term }: { readonly mode: string; readonly term: number },
  meanwhile: () => Promise<unknown> = async () => undefined,
): Promise<void> {
  await until(`all to have ${breaker} ${mode} in term ${term}`, async () => {
    await meanwhile()
    const states = (await fleet.ask('states', breaker)).flat()
    return states.every((state) => state.mode === mode && state.agreed.includes(`"term":${term},`)) || undefined
  })
}

async function expectAgreement(breaker: string): Promise<void> {
  const states = (await fleet.ask('states', breaker)).flat()
  expect(new Set(states.map(({ agreed }) => agreed)).size).toBe(1)
  const health = (await fleet.ask('health')).flat()
  expect(health.map(({ divergences }) => divergences)).toEqual(fleet.instances.map(() => 0))
}

async function undecodable(): Promise<number> {
  const health = (await fleet.ask('health')).flat()
  return health.reduce((sum, { undecodable }) => sum + undecodable, 0)
}
