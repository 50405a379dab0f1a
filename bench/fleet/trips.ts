import type { Switchgear } from 'switchgear'
import { median, rounds, type Measured } from '../harness.ts'
import { closeAll, countdown, linkedInstances } from './instances.ts'
import { rawConnection } from './raw-stream.ts'

const instances = 200
const withinMs = 10
const fleet = 'bench-trips'

/** All of a fleet see the fault within 10 ms: how many of them tell it, and how much of it is stored. */
export async function trips(servers: string): Promise<readonly Measured[]> {
  const gears = await linkedInstances(servers, fleet, instances, { failureThreshold: 1 })
  const operator = await rawConnection(servers)
  const publishes = new Map<string, number>()
  // A plain subscriber of the log's subjects also sees the appends that are refused.
  operator.nc.subscribe(`switchgear.v1.${fleet}.log.*`, {
    callback: (_, { subject }) => void publishes.set(subject, (publishes.get(subject) ?? 0) + 1),
  })
  await operator.nc.flush()
  const names: string[] = []
  for (let round = 0; names.length < rounds; round++) {
    if (round > rounds * 5) throw new Error(`this machine is too busy for ${instances} trips within ${withinMs} ms`)
    if ((await tripAll(gears, `host-${round}`)) <= withinMs) names.push(`host-${round}`)
  }
  // Whoever leaves has sent what it had to say.
  await closeAll(gears)
  await operator.nc.flush()
  const { state } = await operator.jsm.streams.info(`SWITCHGEAR_${fleet}`, { subjects_filter: '>' })
  await operator.nc.close()
  const subjects = names.map((name) => `switchgear.v1.${fleet}.log.${name}`)
  const stored = subjects.map((subject) => state.subjects?.[subject] ?? NaN)
  const published = subjects.map((subject) => publishes.get(subject) ?? NaN)
  const row = (id: string, what: string, atMost: number, values: readonly number[]): Measured => ({
    id,
    what,
    goal: { atMost },
    unit: 'count',
    value: median(values),
    peers: {},
  })
  return [
    row('tripsStored', `${instances} instances trip within ${withinMs} ms: messages stored`, 2, stored),
    row('tripsPublished', 'and published', 80, published),
  ]
}

/** Gives what the trips took, in ms. */
async function tripAll(gears: readonly Switchgear[], name: string): Promise<number> {
  const breakers = gears.map((gear) => gear.breaker(name))
  const all = countdown(instances)
  const subscriptions = gears.map((gear) => gear.transitions$.subscribe(({ scope }) => scope === 'fleet' && all.tick()))
  const startedAt = performance.now()
  for (const breaker of breakers) breaker.run(() => Promise.reject(new Error('down'))).catch(() => {})
  const tookMs = performance.now() - startedAt
  await all.done
  for (const subscription of subscriptions) subscription.unsubscribe()
  return tookMs
}
