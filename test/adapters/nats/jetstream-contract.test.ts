import { jetstream } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { fromJetStream } from '../../../src/nats.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import type { Server } from '../../servers/server-process.ts'
import { startNats } from '../../servers/start-nats.ts'
import { type StreamRig, streamRig } from './jetstream-rig.ts'

let server: Server
let nc: NatsConnection
const rigs: StreamRig[] = []
beforeAll(async () => {
  server = await startNats()
  nc = await connect({ servers: server.url })
})
afterAll(async () => {
  await Promise.all([nc.close(), ...rigs.map((rig) => rig.end())])
  await server.stop()
})

describe('messages of a stream', () =>
  portContracts.itemSource(test, async (items) => {
    const rig = await streamRig(server.url)
    rigs.push(rig)
    for (const item of items) await rig.publish(item)
    const consumer = await jetstream(nc).consumers.get(rig.stream, 'worker')
    const decode = (data: Uint8Array): string => new TextDecoder().decode(data)
    const { open } = fromJetStream(consumer, { decode }).items
    return {
      open: ({ item, end }) => open({ item: (taken) => item({ item: taken.item.data, settle: taken.settle }), end }),
    }
  }))
