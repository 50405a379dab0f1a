import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import { jetstream } from '@nats-io/jetstream'
import { deliver } from '../../../src/index.ts'
import { fromJetStream } from '../../../src/nats.ts'

/**
 * A process that delivers until it is killed: at most 500 in flight, each for some milliseconds. It notes each outcome in
 * a file. The first ones are held until so many are in flight as it is asked for; then it says `full`.
 */
const [url = '', stream = '', notes = '', wanted = ''] = process.argv.slice(2)

const nc = await connect({ servers: url })
const consumer = await jetstream(nc).consumers.get(stream, 'worker')
let inFlight = 0
let fill = (): void => {}
const full = new Promise<void>((resolve) => (fill = resolve))

fromJetStream(consumer)
  .pipe(deliver({ to: send, concurrency: 500, maxWaiting: 0 }))
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
  if (inFlight === Number(wanted)) {
    process.stdout.write('full\n')
    fill()
  }
  await full
  await sleep(100 + Math.random() * 400)
}
