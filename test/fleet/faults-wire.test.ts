import { afterEach, beforeEach, expect, test } from 'vitest'
import type { LogEntry } from '../../src/machines/history.ts'
import { proposalValidMs } from '../../src/machines/breaker-decide.ts'
import { type NatsNode, startNatsNode } from '../servers/nats-node.ts'
import { startTcpProxy, type TcpProxy } from '../servers/tcp-proxy.ts'
import { until } from '../servers/until.ts'
import { type BreakerName, breakerNames } from './fault-load.ts'
import { everyUnit, type FaultFleet, linksAre, startFaultFleet, type Unit } from './fault-rig.ts'
import { agreeAgain, expectNoneWaited, hasTripped } from './fault-steps.ts'

let nats: NatsNode
let wire: TcpProxy
let fleet: FaultFleet | undefined
beforeEach(async () => {
  fleet = undefined
  nats = await startNatsNode()
  wire = await startTcpProxy(nats.url)
})
afterEach(async () => {
  await fleet?.end()
  await wire.stop()
  await nats.remove()
})

test('one instance is cut off, and the answer to what it had stored is lost: it counts once, and all agree afterwards', async () => {
  const { faulty, far, others } = await startFleet()
  const { load, units } = faulty
  const heldAt = performance.now()
  wire.hold('toClient')
  load.break('lasting', far.gear.instance)
  await hasTripped(far, 'lasting')
  await everyUnit(others, 'to open with it', (unit) => unit.state('lasting').mode === 'open')
  const [stored] = await historyOf(others[0], 'lasting')
  await until('it to be sent again', () => wire.seen('toServer', `Nats-Msg-Id: ${stored?.event.id}`) >= 2 || undefined)
  const noticed = await linksAre([far], 'down', heldAt)
  wire.accept(false)
  wire.cut()

  load.break('smtp', far.gear.instance)
  await hasTripped(far, 'smtp')
  for (const unit of others) expect(unit.state('smtp')).toMatchObject({ mode: 'closed', term: 0 })
  load.mend('smtp', far.gear.instance)
  await until('it to recover by itself', () => far.state('smtp').mode === 'closed' || undefined)
  load.break('smtp', others[0]?.gear.instance ?? '')
  await everyUnit(others, 'to open without it', (unit) => unit.state('smtp').term > 0)
  expect(far.state('smtp')).toMatchObject({ mode: 'closed', term: 0 })

  const healedAt = performance.now()
  wire.accept(true)
  const relinked = await linksAre([far], 'linked', healedAt)
  await agreeAgain(faulty, [far])
  const openings = (await historyOf(far, 'lasting')).map(({ event, accepted }) => ({ id: event.id, accepted }))
  expect(openings).toEqual([{ id: stored?.event.id, accepted: true }])
  for (const name of breakerNames) {
    const ids = (await historyOf(units[0], name)).map(({ event }) => event.id)
    expect(new Set(ids).size).toBe(ids.length)
  }
  const waits = expectNoneWaited(faulty)
  console.info(
    `cut off: sent ${wire.seen('toServer', `Nats-Msg-Id: ${stored?.event.id}`)} times and stored once; ` +
      `down after ${noticed.toFixed(0)} ms, linked ${relinked.toFixed(0)} ms after it was mended; ${waits}`,
  )
})

test('an append that was held up on the way lands when it has ceased to hold: it is stored, and changes nothing', async () => {
  const { faulty, far, others } = await startFleet()
  const { load, units } = faulty
  wire.hold('toServer')
  const trippedAt = performance.now()
  load.break('smtp', far.gear.instance)
  await hasTripped(far, 'smtp')
  load.mend('smtp', far.gear.instance)
  await until('it to recover by itself', () => far.state('smtp').mode === 'closed' || undefined)
  const isOver = (): true | undefined => performance.now() - trippedAt > proposalValidMs + 1_000 || undefined
  await until('its append to have ceased to hold', isOver, 60_000)
  const ignored = units.map(({ gear }) => gear.health().log.ignored)
  expect(await historyOf(others[0], 'smtp')).toEqual([])

  wire.release('toServer')
  const [late] = await until('it to land', async () => {
    const entries = await historyOf(others[0], 'smtp')
    return entries.length > 0 ? entries : undefined
  })
  expect(late).toMatchObject({ accepted: false, why: 'late', event: { by: far.gear.instance, to: 'open' } })
  await everyUnit(units, 'to have passed over it', ({ gear }) => {
    return gear.health().log.ignored > (ignored[units.findIndex((unit) => unit.gear === gear)] ?? 0)
  })
  for (const unit of units) {
    expect(unit.state('smtp')).toMatchObject({ mode: 'closed', term: 0 })
    expect(unit.transitions.filter(({ breaker, scope }) => breaker === 'smtp' && scope === 'fleet')).toEqual([])
  }
  await agreeAgain(faulty)
  const waits = expectNoneWaited(faulty)
  const lateBy = (late?.at ?? 0) - (late?.event.validUntil ?? 0)
  console.info(`held up: landed ${lateBy} ms after its time, and was passed over by all ${units.length}; ${waits}`)
})

/** Six instances, of which the last, `far`, has the wire between itself and the server. */
async function startFleet(): Promise<{ faulty: FaultFleet; far: Unit; others: readonly Unit[] }> {
  const urls = [nats.url, nats.url, nats.url, nats.url, nats.url, wire.url]
  const faulty = await startFaultFleet(urls.map((servers) => ({ servers, heartbeatMs: 1_000 })))
  fleet = faulty
  const far = faulty.units.at(-1)
  if (far === undefined) throw new Error('there is no fleet')
  return { faulty, far, others: faulty.units.slice(0, -1) }
}

/** What the log has of a breaker, the newest first, also what nobody took. */
async function historyOf(unit: Unit | undefined, name: BreakerName): Promise<readonly LogEntry[]> {
  const entries: LogEntry[] = []
  for await (const entry of unit?.gear.breaker(name).history() ?? []) entries.push(entry)
  return entries
}
