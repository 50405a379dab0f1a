import { describe, expect, test } from 'vitest'
import { TimeoutError } from '../../../src/kernel/errors.ts'
import { systemClock } from '../../../src/ports/clock.ts'
import { sharedDeadline } from '../../../src/streams/store-guards/shared-deadline.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

describe('a deadline that many share', () => {
  test('is that of each one who waits, and takes one timer', async () => {
    const clock = virtualClock()
    const inTime = sharedDeadline(clock, 100, 'the store')
    const ends: string[] = []
    const wait = (name: string, answer: Promise<string>) =>
      inTime(() => answer).then(
        (value) => ends.push(`${name} ${value} at ${clock.monotonic()}`),
        (error: unknown) => ends.push(`${name} ${error instanceof TimeoutError} at ${clock.monotonic()}`),
      )
    const never = new Promise<string>(() => {})
    const all = [
      wait('a', never),
      wait(
        'b',
        clock.sleep(50).then(() => 'answer'),
      ),
    ]
    await clock.advanceBy(30)
    all.push(wait('c', never), wait('d', Promise.reject(new Error('refused'))))
    await clock.settle()
    expect(clock.pendingTimers).toBe(2)
    await clock.runUntil(Promise.all(all))
    expect(ends).toEqual(['d false at 30', 'b answer at 50', 'a true at 100', 'c true at 130'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('leaves no timer when all have their answers, and ignores what comes late', async () => {
    const clock = virtualClock()
    const inTime = sharedDeadline(clock, 100, 'the store')
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => inTime(() => Promise.resolve(index))))
    expect(clock.pendingTimers).toBe(0)
    const late = inTime(() => clock.sleep(150).then(() => Promise.reject(new Error('late'))))
    await expect(clock.runUntil(late)).rejects.toThrow(TimeoutError)
    await clock.advanceBy(100)
    expect(clock.pendingTimers).toBe(0)
  })

  test('does not count against the store that this process was busy: what came meanwhile is heard first', async () => {
    const inTime = sharedDeadline(systemClock, 20, 'the store')
    const never = inTime(() => new Promise<string>(() => {}))
    // Timers come before immediates from here.
    await new Promise(setImmediate)
    const answer = inTime(() => new Promise<string>((resolve) => setImmediate(resolve, 'answer')))
    const untilAt = performance.now() + 100
    while (performance.now() < untilAt);
    expect(await answer).toBe('answer')
    await expect(never).rejects.toBeInstanceOf(TimeoutError)
  })
})
