import { ulid } from 'ulid'
import type { Switchgear } from 'switchgear'
import { compare, type Contender, type Measured } from '../harness.ts'
import { closeAll, countdown, linkedInstances } from './instances.ts'
import { addRawStream, lastStored, rawConnection, type Raw } from './raw-stream.ts'

const instances = 200
const fleet = 'bench-fan-out'
const breaker = 'smtp'

/** From the publish of a transition to the moment that every instance goes by it. */
export async function fanOut(servers: string): Promise<readonly Measured[]> {
  const gears = await linkedInstances(servers, fleet, instances)
  for (const gear of gears) gear.breaker(breaker)
  const ours = orders(gears)
  await ours(2)
  const operator = await rawConnection(servers)
  const { data } = await lastStored(operator, fleet, breaker)
  const raw = await rawFanOut(servers, operator, data)
  try {
    return await compare({
      baseline: raw.publishes,
      time: 'wall',
      rows: [
        {
          id: 'fanOut',
          what: `publish of a transition to all of ${instances} instances at it`,
          goal: { atMost: 1.5 },
          limit: '1',
          ours,
        },
      ],
    })
  } finally {
    await Promise.all([closeAll(gears), raw.close(), operator.nc.close()])
  }
}

/** Orders have no jitter: forced open by one of them, the next time released. */
function orders(gears: readonly Switchgear[]): Contender {
  let isForced = false
  let turn = 0
  return async (calls) => {
    for (let i = 0; i < calls; i++) {
      isForced = !isForced
      const author = gears[turn++ % gears.length]?.breaker(breaker)
      const all = countdown(gears.length)
      const subscriptions = gears.map((gear) => gear.transitions$.subscribe(all.tick))
      const order = { by: 'bench', reason: 'bench' }
      await Promise.all([isForced ? author?.forceOpen(order) : author?.release(order), all.done])
      for (const subscription of subscriptions) subscription.unsubscribe()
    }
    return calls
  }
}

/** The same bytes under the same headers to as many of the client's own ordered consumers, each on its own connection. */
async function rawFanOut(
  servers: string,
  operator: Raw,
  data: Uint8Array,
): Promise<{ readonly publishes: Contender; close(): Promise<void> }> {
  const subjectOf = await addRawStream(operator, 'FANOUT')
  let heard = (): void => {}
  const listeners: Raw[] = []
  for (let n = 0; n < instances; n++) {
    const listener = await rawConnection(servers)
    listeners.push(listener)
    const consumer = await listener.js.consumers.get('FANOUT')
    await consumer.consume({ callback: () => heard() })
  }
  let last = 0
  return {
    async publishes(calls) {
      for (let i = 0; i < calls; i++) {
        const all = countdown(instances)
        heard = all.tick
        const { js } = listeners[last % instances] ?? operator
        const expect = { streamName: 'FANOUT', lastSubjectSequence: last }
        const [stored] = await Promise.all([js.publish(subjectOf(breaker), data, { msgID: ulid(), expect }), all.done])
        last = stored.seq
      }
      return calls
    },
    async close() {
      await Promise.all(listeners.map(({ nc }) => nc.close()))
    },
  }
}
