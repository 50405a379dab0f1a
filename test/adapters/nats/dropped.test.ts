import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { natsLog } from '../../../src/adapters/nats/nats-log.ts'
import { fleetSubjects } from '../../../src/adapters/nats/subjects.ts'
import { retainedPerTopic } from '../../../src/ports/event-log.ts'
import { freshName } from '../../../src/testing/port-contracts/contract.ts'
import { fleetOn } from '../../../src/testing/port-contracts/log-fleet.ts'
import { startNats } from '../../servers/start-nats.ts'
import { until } from '../../servers/until.ts'

test('what the log dropped before it was read is never passed over while linked: the member links anew', async () => {
  const server = await startNats()
  const fleet = fleetOn(natsLog({ servers: server.url }))
  const name = freshName('burst')
  const member = await fleet.join(name)
  const nc = await connect({ servers: server.url })
  const js = jetstream(nc)
  const subject = fleetSubjects(name).logOf('smtp')
  let last = 0
  // The server stores a burst faster than it delivers it, and keeps 64 of a topic.
  for (let burst = 0; burst < 20; burst++) {
    const stored = await Promise.all(Array.from({ length: 500 }, () => js.publish(subject, new Uint8Array(100))))
    last = Math.max(...stored.map(({ seq }) => seq))
  }
  await until('the last message', () => member.messages.at(-1)?.seq === last || undefined)

  let linked = false
  let gapsWhileLinked = 0
  let gaps = 0
  let read = 0
  for (const call of member.calls) {
    if (call === 'linked') linked = true
    if (call === 'down') linked = false
    if (call !== 'message') continue
    const [before, message] = [member.messages[read - 1]?.seq ?? 0, member.messages[read]?.seq ?? 0]
    read++
    if (message === before + 1) continue
    gaps++
    if (linked) gapsWhileLinked++
  }
  console.info(`${last} stored in bursts, ${read} read, ${gaps} gaps over at least ${retainedPerTopic} messages each`)
  expect(gapsWhileLinked).toBe(0)
  await nc.close()
  await fleet.end()
  await server.stop()
})
