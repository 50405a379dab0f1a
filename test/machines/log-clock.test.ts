import { expect, test } from 'vitest'
import { logClock } from '../../src/machines/log-clock.ts'
import { virtualClock } from '../../src/testing/virtual-clock.ts'

test('lags behind the log by the shortest way that a message has come', async () => {
  const clock = virtualClock({ startAt: 500 })
  const time = logClock(clock)
  time.began(1_000)
  await clock.advanceBy(100)
  expect(time.now()).toBe(1_100)
  time.heard(1_090)
  expect(time.now()).toBe(1_100)
  time.heard(1_130)
  expect(time.now()).toBe(1_130)
})

test('says of a moment before the first link, once there is one, when it was by the log: the wall clock may be wrong', async () => {
  const clock = virtualClock({ startAt: 3_600_500 })
  const time = logClock(clock)
  const before = clock.monotonic()
  expect(time.of(before)).toBe(3_600_500)
  await clock.advanceBy(100)
  time.began(600)
  expect(time.of(before)).toBe(500)
})

test('takes back what a clock that runs fast has gained, when something of its own shows it', async () => {
  const clock = virtualClock({ startAt: 500 })
  const time = logClock(clock)
  time.began(1_000)
  await clock.advanceBy(86_400_000)
  // By the log, 10 s less have passed.
  const sentAt = clock.monotonic()
  await clock.advanceBy(4)
  time.heard(86_391_002, sentAt)
  expect(time.now()).toBe(86_391_007)
  time.heard(86_391_003)
  expect(time.now()).toBe(86_391_007)
})

test('begins anew with each link, so that a clock that ran fast, or a server that is behind, is believed no longer', async () => {
  const clock = virtualClock({ startAt: 500 })
  const time = logClock(clock)
  time.began(1_000)
  await clock.advanceBy(60_000)
  time.began(55_000)
  expect(time.now()).toBe(55_000)
  await clock.advanceBy(1_000)
  expect(time.now()).toBe(56_000)
})
