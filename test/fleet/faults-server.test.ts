import { afterEach, beforeEach, test } from 'vitest'
import { type NatsNode, startNatsNode } from '../servers/nats-node.ts'
import { until } from '../servers/until.ts'
import { type FaultFleet, linksAre, startFaultFleet } from './fault-rig.ts'
import { agreeAgain, expectNoneWaited, protectThemselves } from './fault-steps.ts'

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

test('NATS is killed and started again: each instance goes by its own evidence, and afterwards all agree', async () => {
  const faulty = await startFleet()
  const killedAt = performance.now()
  await nats.kill()
  const noticed = await linksAre(faulty.units, 'down', killedAt)
  await protectThemselves(faulty, faulty.units)
  const startedAt = performance.now()
  await nats.start()
  const relinked = await linksAre(faulty.units, 'linked', startedAt)
  await agreeAgain(faulty, faulty.units.slice(0, 1))
  const waits = expectNoneWaited(faulty)
  console.info(
    `killed: down after ${noticed.toFixed(0)} ms, linked ${relinked.toFixed(0)} ms after the start; ${waits}`,
  )
})

test('NATS is frozen for 10 s: nobody waits for it, before and after that is noticed, and afterwards all agree', async () => {
  const faulty = await startFleet()
  const frozenAt = performance.now()
  nats.freeze()
  await protectThemselves(faulty, faulty.units)
  const protectedAfter = performance.now() - frozenAt
  const noticed = await linksAre(faulty.units, 'down', frozenAt)
  await protectThemselves(faulty, faulty.units.slice(2))
  await until('10 s to be over', () => performance.now() - frozenAt > 10_000 || undefined, 20_000)
  const thawedAt = performance.now()
  nats.thaw()
  const relinked = await linksAre(faulty.units, 'linked', thawedAt)
  await agreeAgain(
    faulty,
    [0, 2].flatMap((n) => faulty.units[n] ?? []),
  )
  const waits = expectNoneWaited(faulty)
  console.info(
    `frozen: one had tripped, another too, and the first had recovered after ${protectedAfter.toFixed(0)} ms; down after ${noticed.toFixed(0)} ms, linked ${relinked.toFixed(0)} ms after the thaw; ${waits}`,
  )
})

async function startFleet(): Promise<FaultFleet> {
  return (fleet = await startFaultFleet(Array.from({ length: 6 }, () => ({ servers: nats.url }))))
}
