import { BreakerOpenError, SwitchgearError, type Breaker } from 'switchgear'
import { describe, expect, test } from 'vitest'
import { fleetOf, hang, nth, ok, oneInstance } from './fleet-of.ts'
import { play } from './play.ts'

const options = { failureThreshold: 5, recoveryBackoff: { jitter: 'none' } } as const

async function refusalOf(breaker: Breaker): Promise<BreakerOpenError> {
  const error: unknown = await breaker.run(ok).catch((reason: unknown) => reason)
  if (error instanceof BreakerOpenError) return error
  throw new Error(`it was not refused: ${String(error)}`)
}

describe('a refusal', () => {
  test('says what it is of, for how long, and carries the numbers that a caller acts on', async () => {
    const { clock, gears } = await fleetOf(2)
    const [a, b] = gears.map((gear) => gear.breaker('smtp', options))
    if (a === undefined || b === undefined) throw new Error('no instance')
    await play(a, clock, 'F*5 +100')
    const startedAt = a.state.sinceAt
    await clock.advanceBy(19_000 - (clock.now() - startedAt))
    const refusal = await refusalOf(b)
    expect(refusal).toBeInstanceOf(SwitchgearError)
    expect(refusal).toMatchObject({
      name: 'BreakerOpenError',
      code: 'SWITCHGEAR_BREAKER_OPEN',
      retryable: true,
      breaker: 'smtp',
      mode: 'open',
      message: 'breaker "smtp" is open for another 41 s (5 consecutive failures, opened by a); calls are refused',
    })
    expect(Math.abs(refusal.retryAfterMs - 41_000)).toBeLessThanOrEqual(1)
    expect(refusal.retryAt).toBe(clock.now() + refusal.retryAfterMs)
  })

  test.each([
    [
      { failureRate: { over: { calls: 10 }, threshold: 0.5 }, failureThreshold: false },
      'S*5 F*5',
      '5 of 10 calls failed',
    ],
    [
      { slowCallRate: { over: { calls: 10 }, threshold: 0.5, slowerThanMs: 100 }, failureThreshold: false },
      'S*5 S@100*5',
      '5 of 10 calls were slow',
    ],
  ] as const)('of a breaker with %j says: %3$s', async (rules, script, words) => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', rules)
    await play(smtp, clock, script)
    expect((await refusalOf(smtp)).message).toContain(`(${words}, opened by a)`)
  })

  test('while half-open names who probes, not who opened, and asks to come back within a second', async () => {
    const { clock, gears } = await fleetOf(2)
    const [a, b] = gears.map((gear) => gear.breaker('smtp', options))
    if (a === undefined || b === undefined) throw new Error('no instance')
    await play(a, clock, 'F*5 +60100')
    b.run(hang).catch(() => {})
    await clock.advanceBy(100)
    expect(await refusalOf(a)).toMatchObject({
      mode: 'halfOpen',
      retryAfterMs: 1_000,
      message:
        'breaker "smtp" is half-open, its probe is under way (the recovery time is over, probed by b); calls are refused',
    })
  })

  test('counts nowhere and reaches nobody', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*5 +100')
    const before = smtp.state
    let reached = 0
    for (let call = 0; call < 100; call++) await smtp.run(() => reached++).catch(() => {})
    expect(reached).toBe(0)
    expect({ ...smtp.state, retryAt: 0 }).toEqual({ ...before, retryAt: 0 })
    expect(nth([...gear.breakers.values()], 0)).toBe(smtp)
  })

  test('has no stack, since it is made on a hot path', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    await play(smtp, clock, 'F*5')
    expect((await refusalOf(smtp)).stack?.split('\n')).toHaveLength(1)
  })

  test('comes through wrap with its arguments untouched when it is closed', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', options)
    const add = smtp.wrap(async (one: number, other: number) => one + other)
    expect(await add(1, 2)).toBe(3)
    await play(smtp, clock, 'F*5')
    await expect(add(1, 2)).rejects.toMatchObject({ code: 'SWITCHGEAR_BREAKER_OPEN' })
  })
})
