import { afterAll, beforeAll, test } from 'vitest'
import { natsLog } from '../../../src/adapters/nats/nats-log.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'
import type { Server } from '../../servers/server-process.ts'
import { startNats } from '../../servers/start-nats.ts'

let server: Server
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

portContracts.eventLog(test, () => natsLog({ servers: server.url }))
