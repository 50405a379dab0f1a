import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import { jetstream } from '@nats-io/jetstream'
import { deliver } from '../../../src/index.ts'
import { fromJetStream } from '../../../src/nats.ts'

/**
 * A process that delivers until it is killed: 500 in flight, each for some milliseconds. It notes each outcome in a file,
 * and says `full` once all its places are taken.
 */
const [url = '', stream = '', notes = ''] = process.argv.slice(2)
const concurrency = 500

const nc = await connect({ servers: url })
const consumer = await jetstream(nc).consumers.get(stream, 'worker')
let inFlight = 0

fromJetStream(consumer)
  .pipe(deliver({ to: send, concurrency, maxWaiting: 0 }))
  .subscribe({
    next: ({ item, status }) => {
      inFlight -= 1
      appendFileSync(notes, `${item.seq} ${status}\n`)
    },
    error: (error) => {
      throw error
    },
  })

async function send(): Promise<void> {
  inFlight += 1
  if (inFlight === concurrency) process.stdout.write('full\n')
  await sleep(100 + Math.random() * 400)
}
