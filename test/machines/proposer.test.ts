import { createSwitchgear, memoryLog, type EventLog, type LogAppend } from 'switchgear'
import { seededRandom, virtualClock } from 'switchgear/testing'
import { describe, expect, test } from 'vitest'
import { simulatedLog } from '../../src/testing/simulated-log.ts'
import { allOf, fail, oneInstance, ok } from './fleet-of.ts'

describe('an instance proposes', () => {
  test('also when its clock shows fractions of a millisecond', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { failureThreshold: 1 })
    await clock.advanceBy(0.5)
    await smtp.run(fail).catch(() => {})
    await clock.advanceBy(50)
    expect(smtp.state).toMatchObject({ mode: 'open', scope: 'fleet', term: 1 })
  })

  test('a trip only in the term in which it tripped: an answer that comes late opens nothing again', async () => {
    const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
    const log = memoryLog({ clock, random: seededRandom(1) })
    const stuck = answersWhenTold(log)
    const options = { failureThreshold: 1, recoveryTimeoutMs: 100, recoveryBackoff: { jitter: 'none' } } as const
    const [a, b] = [log, stuck.log].map((of, at) => {
      const instance = at === 0 ? 'a' : 'b'
      return createSwitchgear({ clock, random: seededRandom(at), log: of, instance }).breaker('smtp', options)
    })
    if (a === undefined || b === undefined) throw new Error('no instance')
    await clock.settle()

    await Promise.allSettled([a.run(fail), b.run(fail)])
    await clock.advanceBy(60)
    expect(stuck.asked, 'b has proposed as well, and has no answer yet').toBe(1)
    await clock.advanceBy(100)
    await clock.runUntil(a.run(ok))
    await clock.settle()
    expect([a.state.mode, b.state.mode]).toEqual(['closed', 'closed'])
    stuck.answer()
    await clock.advanceBy(1_000)
    expect([a.state.mode, b.state.mode]).toEqual(['closed', 'closed'])
    expect((await allOf(a.history())).map(({ event }) => event.fact?.type)).toEqual([
      'closed',
      'probeClaimed',
      'opened',
    ])
  })
})

/** The same log, which takes what is appended only when the test says so. */
function answersWhenTold(log: EventLog): {
  readonly log: EventLog
  readonly asked: number
  readonly answer: () => void
} {
  let asked = 0
  let answer = () => {}
  const told = new Promise<void>((resolve) => {
    answer = resolve
  })
  return {
    log: {
      join(member, follower) {
        const membership = log.join(member, follower)
        const append = async (message: LogAppend) => {
          asked++
          await told
          return membership.append(message)
        }
        return { ...membership, append }
      },
    },
    get asked() {
      return asked
    },
    answer: () => answer(),
  }
}

describe('a log that is full', () => {
  test('refuses an order at once, and says what its bound is', async () => {
    const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
    const log = memoryLog({ clock, random: seededRandom(1), topicsMax: 1 })
    const gear = createSwitchgear({ clock, random: seededRandom(1), log })
    await clock.runUntil(gear.breaker('one').disable({ by: 'ann', reason: 'test' }))
    const startedAt = clock.now()
    const order = gear.breaker('two').disable({ by: 'ann', reason: 'test' })
    await expect(clock.runUntil(order)).rejects.toMatchObject({ code: 'SWITCHGEAR_OVER_CAPACITY', bound: 'topicsMax' })
    expect(clock.now() - startedAt).toBe(0)
    await gear.close()
  })

  test('leaves a breaker that trips open by itself, and it recovers by itself', async () => {
    const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
    const log = memoryLog({ clock, random: seededRandom(1), topicsMax: 1 })
    const gear = createSwitchgear({ clock, random: seededRandom(1), log })
    await clock.runUntil(gear.breaker('one').disable({ by: 'ann', reason: 'test' }))
    const two = gear.breaker('two', { failureThreshold: 1, recoveryTimeoutMs: 1_000 })
    await two.run(fail).catch(() => {})
    await clock.advanceBy(100)
    expect(two.state).toMatchObject({ mode: 'open', scope: 'local' })
    await clock.advanceBy(1_000)
    expect(await clock.runUntil(two.run(ok))).toBe('ok')
    expect(two.state.mode).toBe('closed')
    await gear.close()
  })
})

test('an author whose answer was lost after its event was stored learns by its id that it was taken', async () => {
  const clock = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
  const random = seededRandom(1)
  const log = simulatedLog({ clock, random, latencyMs: { min: 1, max: 5 } })
  const gear = createSwitchgear({ clock, random, log, instance: 'a' })
  await clock.runUntil(gear.ready())
  const smtp = gear.breaker('smtp')
  log.loseAnswers('a', 1)
  const startedAt = clock.now()
  await clock.runUntil(smtp.disable({ by: 'ann', reason: 'test' }))
  expect(clock.now() - startedAt, 'it does not wait for the answer').toBeLessThan(20)
  expect(smtp.state).toMatchObject({ mode: 'disabled', term: 1 })
  expect(log.stored('smtp')).toHaveLength(1)
  await clock.runUntil(gear.close())
})
