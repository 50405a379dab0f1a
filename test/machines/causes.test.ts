import { afterEach, expect, test } from 'vitest'
import { createSwitchgear, type BreakerOptions, type Switchgear, type Transition } from 'switchgear'
import { simulatedLog } from '../../src/testing/simulated-log.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { virtualClock } from '../../src/testing/virtual-clock.ts'
import { play } from './play.ts'

const opened: Switchgear[] = []
afterEach(() => Promise.all(opened.splice(0).map((gear) => gear.close())))

const options: BreakerOptions = { failureThreshold: 3, recoveryBackoff: { jitter: 'none' }, probe: { leaseMs: 5_000 } }

async function twoInstances() {
  const clock = virtualClock({ startAt: 1_000_000 })
  const random = seededRandom(7)
  const log = simulatedLog({ clock, random, latencyMs: { min: 1, max: 5 } })
  const join = (instance: string) => createSwitchgear({ instance, log, clock, random, breakers: { smtp: options } })
  const [a, b] = [join('a'), join('b')]
  opened.push(a, b)
  await clock.advanceBy(100)
  const heardByB: Transition[] = []
  b.transitions$.subscribe((transition) => heardByB.push(transition))
  return { clock, log, a: a.breaker('smtp'), b, heardByB }
}

test('one who relinks is told who opened, when, why, on what counts and at which place, from the first it hears of it', async () => {
  const { clock, log, a, b, heardByB } = await twoInstances()
  log.cut('b')
  await play(a, clock, 'F*3 +100')
  log.heal('b')
  await clock.advanceBy(100)
  expect(heardByB).toMatchObject([
    { from: 'closed', to: 'open', scope: 'fleet', by: 'a', reason: 'failureThreshold', term: 1, seq: 1 },
  ])
  expect(heardByB[0]).toMatchObject({ at: a.state.sinceAt, counts: { calls: 3, failures: 3, consecutiveFailures: 3 } })
  expect(b.breaker('smtp').state).toMatchObject({ mode: 'open', by: 'a', reason: 'failureThreshold' })
})

test('the place of a change that was replayed is its own, not that of what followed it', async () => {
  const { clock, log, a, heardByB } = await twoInstances()
  await play(a, clock, 'F*3 +100')
  log.cut('b')
  await play(a, clock, '+60100 S +100')
  const stranger = log.join(
    { fleet: 'default', instance: 'stranger', logger: { info() {}, warn() {}, error() {} } },
    { onLink() {}, onPreview() {}, onMessage() {} },
  )
  await clock.runUntil(stranger.append({ topic: 'smtp', id: 'garbage', expected: 3, data: new Uint8Array(1) }))
  log.heal('b')
  await clock.advanceBy(100)
  expect(log.stored('smtp')).toHaveLength(4)
  expect(heardByB.at(-1)).toMatchObject({ from: 'open', to: 'closed', reason: 'the probe passed', by: 'a', seq: 3 })
})

test('what is held open while a new log has not been told of it still says who opened it, and why', async () => {
  const { clock, log, a } = await twoInstances()
  await play(a, clock, 'F*3 +100')
  const { sinceAt } = a.state
  log.cut('b')
  log.holdAppends('a', 1)
  log.rewind()
  await clock.advanceBy(100)
  expect(a.state).toMatchObject({ mode: 'open', scope: 'fleet', by: 'a', reason: 'failureThreshold', sinceAt })
})
