import { connect } from '@nats-io/transport-node'
import { jetstream } from '@nats-io/jetstream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { natsLog } from '../../../src/adapters/nats/nats-log.ts'
import { fleetSubjects } from '../../../src/adapters/nats/subjects.ts'
import { freshName } from '../../../src/testing/port-contracts/contract.ts'
import { fleetOn, type LogFleet, seqs } from '../../../src/testing/port-contracts/log-fleet.ts'
import type { Server } from '../../servers/server-process.ts'
import { startNats } from '../../servers/start-nats.ts'
import { startTcpProxy } from '../../servers/tcp-proxy.ts'
import { epochs } from './seen.ts'

const topics = 50
const rounds = 10

let server: Server
let fleet: LogFleet
const name = freshName('long')
beforeAll(async () => {
  server = await startNats()
  fleet = fleetOn(natsLog({ servers: server.url }))
  await fleet.join(name)
  await writeRounds(rounds)
})
afterAll(async () => {
  await fleet.end()
  await server.stop()
})

describe('a joiner with much to read', () => {
  test('is shown the last message of each topic first, and then reads all of them in order', async () => {
    const late = await fleet.join(name)
    const latest = late.messages.slice(-topics)
    expect(late.previews.toSorted((one, other) => one.seq - other.seq)).toEqual(latest)
    expect(late.messages).toHaveLength(topics * rounds)
    const order = ['catchingUp', ...repeat('preview', topics), ...repeat('message', topics * rounds), 'linked']
    expect(late.calls).toEqual(order)
  })

  test('reads on where it was interrupted, and nothing comes twice', async () => {
    const wire = await startTcpProxy(server.url)
    const torn = fleetOn(natsLog({ servers: wire.url }))
    wire.cutOnceAfter('toClient', 100_000)
    const member = await torn.join(name)
    expect(epochs(member)).toEqual([false, false])
    // The wire was cut in the middle of the replay.
    const interruptedAt = member.calls
      .slice(0, member.calls.indexOf('down'))
      .filter((call) => call === 'message').length
    expect(interruptedAt).toBeGreaterThan(0)
    expect(interruptedAt).toBeLessThan(topics * rounds)
    expect(seqs(member.messages)).toEqual(Array.from({ length: topics * rounds }, (_, i) => i + 1))
    await torn.end()
    await wire.stop()
  })
})

test('50 members that join at once all read the same', async () => {
  const many = Array.from({ length: 10 }, () => fleetOn(natsLog({ servers: server.url })))
  const members = await Promise.all(many.flatMap((one) => Array.from({ length: 5 }, () => one.join(name))))
  for (const member of members) expect(seqs(member.messages)).toEqual(seqs(members[0]?.messages ?? []))
  await Promise.all(many.map((one) => one.end()))
})

/** As fast as it goes: many breakers, each with several events, of some 200 bytes. */
async function writeRounds(count: number): Promise<void> {
  const nc = await connect({ servers: server.url })
  const { logOf } = fleetSubjects(name)
  const js = jetstream(nc)
  for (let round = 0; round < count; round++) {
    const writing = Array.from({ length: topics }, (_, topic) =>
      js.publish(logOf(`breaker-${topic}`), new Uint8Array(200), { msgID: `${round}-${topic}` }),
    )
    await Promise.all(writing)
  }
  await nc.close()
}

function repeat(call: string, times: number): string[] {
  return Array.from({ length: times }, () => call)
}
