import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection, nanos } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { UnavailableError } from '../../../src/kernel/errors.ts'
import { appendTo, type AppendTo } from '../../../src/adapters/nats/append.ts'
import { natsLog } from '../../../src/adapters/nats/nats-log.ts'
import type { LogAppend } from '../../../src/ports/event-log.ts'
import { fleetSubjects } from '../../../src/adapters/nats/subjects.ts'
import { freshName } from '../../../src/testing/port-contracts/contract.ts'
import { fleetOn, type LogFleet, type Member, seqs } from '../../../src/testing/port-contracts/log-fleet.ts'
import type { Server } from '../../servers/server-process.ts'
import { startNats } from '../../servers/start-nats.ts'
import { startTcpProxy, type TcpProxy } from '../../servers/tcp-proxy.ts'
import { until } from '../../servers/until.ts'
import { linkIs } from './seen.ts'

let server: Server
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

describe('an append whose answer does not come', () => {
  let wire: TcpProxy
  let here: LogFleet
  let there: LogFleet
  let fleet: string
  beforeEach(async () => {
    wire = await startTcpProxy(server.url)
    here = fleetOn(natsLog({ servers: wire.url, deadlineMs: 1_000, heartbeatMs: 1_000 }))
    there = fleetOn(natsLog({ servers: server.url }))
    fleet = freshName('fleet')
  })
  afterEach(async () => {
    await Promise.all([here.end(), there.end()])
    await wire.stop()
  })

  test('is sent again, and stored once: the server knows its id', async () => {
    const [one, two] = [await here.join(fleet), await there.join(fleet)]
    const message = here.message('smtp', 0)
    wire.hold('toClient')
    const appending = one.log.append(message)
    await until('the second attempt', () => wire.seen('toServer', `Nats-Msg-Id: ${message.id}`) === 2 || undefined)
    wire.release('toClient')
    const result = await appending
    expect(result).toEqual({ status: 'stored', seq: 1 })
    await Promise.all([one.has(1), two.has(1)])
    expect(await two.log.read('smtp')).toHaveLength(1)
  })

  test('is sent three times at most, and then nobody can tell', async () => {
    const one = await here.join(fleet)
    const message = here.message('smtp', 0)
    wire.hold('toClient')
    const refusal = await one.log.append(message).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(UnavailableError)
    expect(String(refusal)).toContain(`no answer whether "${message.id}" was stored`)
    expect(wire.seen('toServer', `Nats-Msg-Id: ${message.id}`)).toBe(3)
    wire.release('toClient')
    await one.has(1)
    expect(one.messages[0]?.id).toBe(message.id)
  })

  test('with the connection gone after it was stored, comes back once with the next link', async () => {
    const [one, two] = [await here.join(fleet), await there.join(fleet)]
    const message = here.message('smtp', 0)
    wire.hold('toClient')
    const refusal = one.log.append(message).catch((error: unknown) => error)
    await two.has(1)
    wire.cut()
    expect(await refusal).toBeInstanceOf(UnavailableError)
    await linkIs(one, 'linked')
    await one.has(1)
    // Whoever asks again afterwards is told where it is.
    expect(await one.log.append(message)).toEqual({ status: 'stored', seq: 1 })
    expect(one.messages).toEqual(two.messages)
  })

  test('is given up with its link, and its bytes are never sent later', async () => {
    const [one, two] = [await here.join(fleet), await there.join(fleet)]
    wire.lose('toServer')
    const linksBefore = one.links.length
    const before = performance.now()
    const refusal = await one.log.append(here.message('smtp', 0)).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(UnavailableError)
    expect(performance.now() - before).toBeLessThan(1_500)
    wire.cut()
    // It may be up again before anybody looks.
    await until(
      'the link to have been down',
      () => one.links.slice(linksBefore).some(({ state }) => state === 'down') || undefined,
    )
    await linkIs(one, 'linked')
    await here.append(one.log, 'other', 0)
    await two.has(1)
    expect(await two.log.read('smtp')).toEqual([])
  })
})

describe('an append that is told that the topic has moved', () => {
  let nc: NatsConnection
  let to: AppendTo
  beforeAll(async () => {
    nc = await connect({ servers: server.url })
    const subjects = fleetSubjects(freshName('fleet'))
    const jsm = await jetstreamManager(nc)
    // This server forgets ids at once, as one does after two minutes.
    const duplicate_window = nanos(100)
    await jsm.streams.add({ name: subjects.stream, subjects: [subjects.log], duplicate_window })
    to = { js: jetstream(nc), jsm, subjects, deadlineMs: 2_000, linked: () => true }
  })
  afterAll(() => nc.close())

  function refusalOfPublishing(id: string): Promise<string | undefined> {
    const expect = { lastSubjectSequence: 0 }
    return to.js.publish(to.subjects.logOf('smtp'), '', { msgID: id, expect }).then(() => undefined, String)
  }

  const message = (id: string, expected: number): LogAppend => ({
    topic: 'smtp',
    id,
    expected,
    data: new Uint8Array([1]),
  })

  test('finds its own id in the last message: an earlier attempt was stored', async () => {
    const first = await appendTo(to, message('a', 0))
    await until('the server to forget the id', () => refusalOfPublishing('a'))
    const again = await appendTo(to, message('a', 0))
    expect(first).toEqual({ status: 'stored', seq: 1, duplicate: false })
    expect(again).toEqual({ status: 'stored', seq: 1, duplicate: true })
  })

  test('finds another one: somebody was faster, and it is told how far the topic has come', async () => {
    expect(await appendTo(to, message('b', 0))).toEqual({ status: 'conflict', lastSeq: 1 })
    expect(await appendTo(to, message('c', 99))).toEqual({ status: 'conflict', lastSeq: 1 })
  })
})

test('200 members race for one position: one message is stored, and only its author is told so', async () => {
  const racers = Array.from({ length: 20 }, () => fleetOn(natsLog({ servers: server.url })))
  const fleet = freshName('race')
  try {
    const joining = racers.map(async (racer) => {
      const joined: Member[] = []
      for (let n = 0; n < 10; n++) joined.push(await racer.join(fleet))
      return joined
    })
    const members = (await Promise.all(joining)).flat()
    const answers = await Promise.all(
      members.map(({ log }, n) =>
        log.append({ topic: 'smtp', id: `racer-${n}`, expected: 0, data: new Uint8Array(200) }),
      ),
    )
    const stored = answers.filter(({ status }) => status === 'stored').length
    const messages = await members[0]?.log.read('smtp')
    process.stdout.write(`200 racing appends on one position: ${stored} told 'stored', ${messages?.length} stored\n`)
    expect(messages).toHaveLength(1)
    expect(stored).toBe(1)
    await Promise.all(members.map((member) => member.has(1)))
    for (const member of members) expect(seqs(member.messages)).toEqual([1])
  } finally {
    await Promise.all(racers.map((racer) => racer.end()))
  }
})
