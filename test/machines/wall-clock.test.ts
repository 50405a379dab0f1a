import { createSwitchgear, memoryLog, type Clock } from 'switchgear'
import { seededRandom, virtualClock } from 'switchgear/testing'
import { expect, onTestFinished, test } from 'vitest'
import { fail, ok } from './fleet-of.ts'

test.each([-3_600_000, 3_600_000])('a wall clock that steps by %d ms moves no recovery time', async (stepMs) => {
  const virtual = virtualClock({ startAt: Date.UTC(2026, 10, 24) })
  let stepped = 0
  const clock: Clock = { ...virtual, now: () => virtual.now() + stepped }
  const random = seededRandom(3)
  const gear = createSwitchgear({ log: memoryLog({ clock, random }), clock, random })
  onTestFinished(() => gear.close())
  await virtual.runUntil(gear.ready())
  const smtp = gear.breaker('smtp', {
    failureThreshold: 1,
    recoveryTimeoutMs: 1_000,
    recoveryBackoff: { jitter: 'none' },
  })
  await smtp.run(fail).catch(() => {})
  await virtual.advanceBy(100)
  stepped = stepMs
  await virtual.advanceBy(800)
  await expect(smtp.run(ok)).rejects.toMatchObject({ code: 'SWITCHGEAR_BREAKER_OPEN' })
  await virtual.advanceBy(300)
  expect(await virtual.runUntil(smtp.run(ok))).toBe('ok')
  await virtual.advanceBy(100)
  expect(smtp.state.mode).toBe('closed')
  expect(gear.health().log.ignored).toBe(0)
})
