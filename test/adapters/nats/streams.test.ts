import { nanos } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { natsLog, type NatsLogOptions } from '../../../src/adapters/nats/nats-log.ts'
import { replicasWarning } from '../../../src/adapters/nats/server-version.ts'
import { differences, logStreamSettings } from '../../../src/adapters/nats/stream-settings.ts'
import { fleetSubjects } from '../../../src/adapters/nats/subjects.ts'
import type { Link } from '../../../src/ports/event-log.ts'
import { freshName } from '../../../src/testing/port-contracts/contract.ts'
import { fleetOn, type LogFleet } from '../../../src/testing/port-contracts/log-fleet.ts'
import type { Server } from '../../servers/server-process.ts'
import { startNats } from '../../servers/start-nats.ts'
import { until } from '../../servers/until.ts'
import { asOperator, linkIs, whyDown } from './seen.ts'

let server: Server
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

const ending: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(ending.splice(0).map((end) => end()))
})

describe('with `manage`', () => {
  test('the stream is made as the documentation says, and the server has taken every setting of it', async () => {
    const fleet = freshName('made')
    await fleetWith({ manage: true }).join(fleet)
    const subjects = fleetSubjects(fleet)
    const wanted = logStreamSettings(subjects, { replicas: 1, storage: 'file' })
    const { config } = await infoOf(subjects.stream)
    expect(config).toMatchObject(wanted)
    expect(differences(config, wanted)).toEqual([])
    expect(config).toMatchObject({ max_msgs_per_subject: 64, max_msg_size: 8_192, max_age: 0, discard: 'old' })
    expect(config.duplicate_window).toBe(nanos(120_000))
  })

  test('20 that make it at once are all linked to the same one', async () => {
    const fleet = freshName('race')
    const members = await Promise.all(Array.from({ length: 20 }, () => fleetWith({ manage: true }).join(fleet)))
    await members[0]?.log.append({ topic: 'a', id: 'a', expected: 0, data: new Uint8Array(1) })
    for (const member of members) await member.has(1)
  })

  test('a stream that is there is never changed; what the log can do without is told once', async () => {
    const fleet = freshName('older')
    const { stream } = await made(fleet, { republish: undefined, allow_direct: false, storage: 'memory' })
    const { said } = await joined(fleet, { manage: true })
    expect(said).toEqual([
      `warn: stream ${stream} is not as asked for: storage is "memory", not "file"; allow_direct is false, not true; ` +
        `republish is not set, not {"src":"switchgear.v1.${fleet}.log.*","dest":"switchgear.v1.${fleet}.transitions.{{wildcard(1)}}"}`,
    ])
    expect((await infoOf(stream)).config).toMatchObject({ allow_direct: false, storage: 'memory' })
  })

  test('what a server cannot make is said', async () => {
    const member = fleetWith({ manage: true, replicas: 3 }).joinAtOnce()
    await until('the reason', () => /replicas > 1 not supported/.test(whyDown(member)) || undefined)
  })
})

describe('with `manage: false`', () => {
  test('a stream that is missing is said to be, and linked to as soon as an operator has made it', async () => {
    const fleet = freshName('missing')
    const log = fleetWith({ manage: false })
    const { links, left } = watched(fleet, { manage: false })
    const why = `stream SWITCHGEAR_${fleet} does not exist, and \`manage: false\` says not to make it`
    await until('the reason', () => links.some((link) => link.state === 'down' && link.why === why) || undefined)
    await made(fleet, {})
    await until('a link', () => links.at(-1)?.state === 'linked' || undefined)
    await left()
    await log.join(fleet)
  })

  test.each([
    ['max_age', { max_age: nanos(3_600_000) }, 'max_age is 3600000000000, not 0'],
    ['max_msgs_per_subject', { max_msgs_per_subject: 10 }, 'max_msgs_per_subject is 10, not 64'],
    ['max_msg_size', { max_msg_size: 100 }, 'max_msg_size is 100, not 8192'],
    ['discard', { discard: 'new' as const }, 'discard is "new", not "old"'],
    ['retention', { retention: 'interest' as const }, 'retention is "interest", not "limits"'],
    ['no_ack', { no_ack: true }, 'no_ack is true, not false'],
    ['duplicate_window', { duplicate_window: nanos(1_000) }, 'duplicate_window is 1000000000, not 120000000000'],
  ])('a stream with another %s is refused, and the difference is named', async (_, change, difference) => {
    const fleet = freshName('other')
    const { stream } = await made(fleet, change)
    const { links, said } = watched(fleet, { manage: false })
    const message = `stream ${stream} cannot be used: ${difference}`
    await until('the reason', () => links.some((link) => link.state === 'down' && link.why === message) || undefined)
    expect(said).toEqual([`error: ${message}`])
  })

  test('a stream with other subjects is refused', async () => {
    const fleet = freshName('narrow')
    await made(fleet, { subjects: [`switchgear.v1.${fleet}.log.only`], republish: undefined })
    const { links } = watched(fleet, { manage: false })
    const refused = (link: Link): boolean => link.state === 'down' && link.why.includes('subjects is')
    await until('the reason', () => links.some(refused) || undefined)
  })

  test('more room and a longer memory of ids are no difference', async () => {
    const fleet = freshName('larger')
    await made(fleet, { max_msg_size: 100_000, duplicate_window: nanos(600_000) })
    const { said } = await joined(fleet, { manage: false })
    expect(said).toEqual([])
  })
})

test('replicas on a server before 2.10 are warned of', () => {
  expect(replicasWarning('2.9.10', 3)).toContain('nats-server 2.9.10 with 3 replicas can acknowledge two appends')
  for (const version of ['2.10.0', 'v2.10.1', '2.11.4-RC.1', '3.0.0', undefined])
    expect(replicasWarning(version, 3)).toBeUndefined()
  expect(replicasWarning('2.9.10', 1)).toBeUndefined()
})

test('an operator who deletes the last message does not keep anybody from linking', async () => {
  const fleet = freshName('deleted')
  const { stream } = await made(fleet, { deny_delete: false })
  const early = fleetWith({ manage: false })
  const { log } = await early.join(fleet)
  const first = await early.append(log, 'a', 0)
  const second = await early.append(log, 'a', first)
  await asOperator(server.url, (jsm) => jsm.streams.deleteMessage(stream, second))
  const late = fleetWith({ manage: false, heartbeatMs: 100 })
  const member = await late.join(fleet)
  await linkIs(member, 'linked')
  expect(member.messages.map(({ seq }) => seq)).toEqual([first])
})

/** What an operator makes for a fleet: the stream of the documentation, with these changes. */
async function made(fleet: string, changes: object): Promise<{ readonly stream: string }> {
  const settings = { ...logStreamSettings(fleetSubjects(fleet), { replicas: 1, storage: 'file' }), ...changes }
  await asOperator(server.url, (jsm) => jsm.streams.add(settings))
  return { stream: settings.name }
}

async function infoOf(stream: string) {
  return asOperator(server.url, (jsm) => jsm.streams.info(stream))
}

function fleetWith(options: NatsLogOptions): LogFleet {
  const fleet = fleetOn(natsLog({ servers: server.url, ...options }))
  ending.push(() => fleet.end())
  return fleet
}

/** Joins with a logger that is listened to. */
function watched(fleet: string, options: NatsLogOptions) {
  const links: Link[] = []
  const said: string[] = []
  const logger = {
    info: () => {},
    warn: (_: object, message: string) => said.push(`warn: ${message}`),
    error: (_: object, message: string) => said.push(`error: ${message}`),
  }
  const follower = { onLink: (link: Link) => links.push(link), onPreview: () => {}, onMessage: () => {} }
  const log = natsLog({ servers: server.url, ...options })
  const membership = log.join({ fleet, instance: 'watched', logger }, follower)
  ending.push(() => membership.leave())
  return { links, said, left: () => membership.leave() }
}

async function joined(fleet: string, options: NatsLogOptions) {
  const seen = watched(fleet, options)
  await until('a link', () => seen.links.at(-1)?.state === 'linked' || undefined)
  return seen
}
