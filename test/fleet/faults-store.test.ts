import { afterEach, beforeEach, expect, test } from 'vitest'
import type { NatsLogOptions } from '../../src/adapters/nats/nats-log.ts'
import { natsLog } from '../../src/adapters/nats/nats-log.ts'
import { createSwitchgear } from '../../src/switchgear.ts'
import { asOperator } from '../adapters/nats/seen.ts'
import { type NatsNode, startNatsNode } from '../servers/nats-node.ts'
import { until } from '../servers/until.ts'
import type { BreakerName } from './fault-load.ts'
import { everyUnit, type FaultFleet, linksAre, obeys, startFaultFleet, type Unit } from './fault-rig.ts'
import { agreeAgain, expectNoneWaited, hasTripped, protectThemselves } from './fault-steps.ts'

const stream = 'SWITCHGEAR_faults'

let nats: NatsNode
let fleet: FaultFleet | undefined
beforeEach(async () => {
  fleet = undefined
  nats = await startNatsNode()
})
afterEach(async () => {
  await fleet?.end()
  await nats.remove()
})

test('the stream is deleted, and its instances make it again: what was open stays open, and is in the new log', async () => {
  const { units, load } = await startFleet({ manage: true })
  const [one] = units
  if (fleet === undefined || one === undefined) throw new Error('there is no fleet')
  load.break('lasting', one.gear.instance)
  const deletedAt = performance.now()
  await asOperator(nats.url, (jsm) => jsm.streams.delete(stream))
  await hasTripped(one, 'lasting')
  const relinked = await newEpoch(units, deletedAt)
  await restored(units, ['shut', 'ordered'])
  await agreeAgain(fleet, [one], { divergencesMax: 1 })
  staysShut(units)
  const waits = expectNoneWaited(fleet)
  console.info(`deleted: linked to the new stream ${relinked.toFixed(0)} ms later; ${waits}`)
})

test('the stream is deleted, and an operator makes it again later: each instance goes by its own evidence meanwhile', async () => {
  await makeStreams()
  const { units } = await startFleet({ manage: false })
  if (fleet === undefined) throw new Error('there is no fleet')
  const deletedAt = performance.now()
  const { config } = await asOperator(nats.url, async (jsm) => {
    const info = await jsm.streams.info(stream)
    await jsm.streams.delete(stream)
    return info
  })
  const noticed = await linksAre(units, 'down', deletedAt)
  await protectThemselves(fleet, units)
  const recreatedAt = performance.now()
  await asOperator(nats.url, (jsm) => jsm.streams.add(config))
  const relinked = await newEpoch(units, recreatedAt)
  await restored(units, ['shut', 'ordered'])
  await agreeAgain(fleet, units.slice(0, 1), { divergencesMax: 1 })
  staysShut(units)
  const waits = expectNoneWaited(fleet)
  console.info(
    `deleted and recreated: down after ${noticed.toFixed(0)} ms, linked ${relinked.toFixed(0)} ms after the stream was there; ${waits}`,
  )
})

test('the server comes back with an older store: what had been open since then stays open, and is in the log again', async () => {
  const { units, load } = await startFleet({})
  const [one, two] = units
  if (fleet === undefined || one === undefined || two === undefined) throw new Error('there is no fleet')
  await nats.kill()
  nats.copyStore()
  await nats.start()
  await everyUnit(units, 'to be linked', (unit) => unit.gear.health().link === 'linked')
  load.break('lasting', one.gear.instance)
  for (const { gear } of units) load.break('smtp', gear.instance)
  await everyUnit(units, 'to open', (unit) => unit.state('lasting').mode === 'open' && unit.state('smtp').term >= 1)
  const killedAt = performance.now()
  await nats.kill()
  nats.restoreStore()
  const noticed = await linksAre(units, 'down', killedAt)
  load.mend('smtp', two.gear.instance)
  await until('one to recover by itself', () => two.state('smtp').mode === 'closed' || undefined)
  const startedAt = performance.now()
  await nats.start()
  const relinked = await newEpoch(units, startedAt)
  await restored(units, ['lasting'])
  await everyUnit(units, 'to hold open what the log had lost', (unit) => unit.state('lasting').scope === 'fleet')
  // Of smtp there are trips that are fresh, and they may be told before what stood in the older log is.
  await inLogAgain(units, 'smtp')
  await agreeAgain(fleet, [], { divergencesMax: 1 })
  staysShut(units)
  const waits = expectNoneWaited(fleet)
  console.info(
    `an older store: down after ${noticed.toFixed(0)} ms, linked ${relinked.toFixed(0)} ms after the start; ${waits}`,
  )
})

async function startFleet(options: NatsLogOptions): Promise<FaultFleet> {
  return (fleet = await startFaultFleet(Array.from({ length: 6 }, () => ({ servers: nats.url, ...options }))))
}

/** As an operator does it beforehand. */
async function makeStreams(): Promise<void> {
  const gear = createSwitchgear({ fleet: 'faults', log: natsLog({ servers: nats.url, manage: true }) })
  await gear.ready()
  await gear.close()
}

/** Waits until all are linked to a log that is another than before. */
async function newEpoch(units: readonly Unit[], since: number): Promise<number> {
  await everyUnit(units, 'to begin a new epoch', ({ links }) =>
    links.some(({ link, at }) => at >= since && link.state === 'catchingUp' && link.newEpoch),
  )
  return linksAre(units, 'linked', since)
}

/** Whoever is not sure of an append waits for 10 s of silence before the next one, so this has to be well above. */
const restoredWithinMs = 60_000

/** Waits until the log says again what it had lost; it says so once. */
async function restored(units: readonly Unit[], names: readonly BreakerName[]): Promise<void> {
  for (const name of names) {
    const restoredTypes = async (): Promise<readonly string[] | undefined> => {
      const types = await acceptedTypes(units, name)
      return types.includes(restoredType) ? types : undefined
    }
    const events = await until(`${name} to be restored`, restoredTypes, restoredWithinMs)
    expect(events.filter((type) => type === restoredType)).toHaveLength(1)
  }
}

async function inLogAgain(units: readonly Unit[], name: BreakerName): Promise<void> {
  await until(`${name} to be in the log`, async () => (await acceptedTypes(units, name)).length > 0 || undefined)
}

async function acceptedTypes([one]: readonly Unit[], name: BreakerName): Promise<string[]> {
  const types: string[] = []
  for await (const { accepted, event } of one?.gear.breaker(name).history() ?? []) if (accepted) types.push(event.type)
  return types
}

const restoredType = 'io.switchgear.breaker.restored.v1'

/** What was open, or ordered open, at the start was so all the time. */
function staysShut(units: readonly Unit[]): void {
  for (const unit of units) {
    const looser = unit.transitions.filter(({ breaker, from }) => from === 'open' && breaker === 'shut')
    expect(looser).toEqual([])
    expect(unit.transitions.filter(({ breaker, from }) => from === 'forcedOpen' && breaker === 'ordered')).toEqual([])
    expect(obeys(unit)).toBe(true)
  }
}
