import { natsLog } from '../../../src/adapters/nats/nats-log.ts'
import { silentLogger } from '../../../src/ports/logger.ts'

/** Joins a log that nobody serves, and never leaves. */
const [servers = ''] = process.argv.slice(2)
natsLog({ servers }).join(
  { fleet: 'fleet', instance: 'lonely', logger: silentLogger },
  {
    onLink: ({ state }) => process.stdout.write(`${state}\n`),
    onPreview: () => {},
    onMessage: () => {},
  },
)
