import { describe, expect, it } from 'vitest'
import { limitQueue } from '../src/intake/limit-queue.ts'

/** 100 a minute, of which none is left for so long. */
const refusedFor = (retryAfterMs: number) => ({
  retryAfterMs,
  limits: [{ name: 'alerts', limit: 100, remaining: 0, resetMs: retryAfterMs, windowMs: 60_000, exceeded: true }],
})

describe('an alert that a limit refuses', () => {
  it('comes back when those before it have passed', () => {
    const comeBackInMs = limitQueue(() => 0)
    expect([1, 2, 3].map(() => comeBackInMs('acme', refusedFor(30_000)))).toEqual([30_000, 30_600, 31_200])
    expect(comeBackInMs('globex', refusedFor(5_000))).toBe(5_000)
  })

  it('waits no less when it comes back late, and stands behind nobody who has passed', () => {
    let at = 0
    const comeBackInMs = limitQueue(() => at)
    expect(comeBackInMs('acme', refusedFor(30_000))).toBe(30_000)
    at = 300_000
    expect(comeBackInMs('acme', refusedFor(2_000))).toBe(2_000)
  })

  it('waits a second at least, and ten minutes at most, however many are before it', () => {
    const comeBackInMs = limitQueue(
      () => 0,
      () => 0.5,
    )
    const waits = Array.from({ length: 100_000 }, () => comeBackInMs('acme', refusedFor(0)))
    expect(waits[0]).toBe(1_000)
    expect(Math.max(...waits)).toBeLessThan(600_000)
    expect(waits.at(-1)).toBe(450_000)
    // What stands behind them all is not put off further by every one.
    expect(waits.filter((ms) => ms !== 450_000)).toHaveLength(999)
    expect(comeBackInMs('globex', refusedFor(Infinity))).toBe(450_000)
  })
})
