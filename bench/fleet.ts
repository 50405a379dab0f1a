import { startNats } from '../test/servers/start-nats.ts'
import { fanOut } from './fleet/fan-out.ts'
import { joining } from './fleet/joining.ts'
import { trips } from './fleet/trips.ts'
import type { Bench } from './harness.ts'

/** What agreeing costs beside the messages that it needs, on a NATS server of its own. */
export const fleetBench: Bench = {
  name: 'fleet',
  what: 'ratio to raw JetStream that moves the same bytes',
  async run() {
    const server = await startNats()
    try {
      return [...(await fanOut(server.url)), ...(await trips(server.url)), ...(await joining(server.url))]
    } finally {
      await server.stop()
    }
  },
}
