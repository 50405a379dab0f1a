import { describe, expect, test } from 'vitest'
import { fail, oneInstance } from './fleet-of.ts'

describe('an instance proposes', () => {
  test('also when its clock shows fractions of a millisecond', async () => {
    const { clock, gear } = await oneInstance()
    const smtp = gear.breaker('smtp', { failureThreshold: 1 })
    await clock.advanceBy(0.5)
    await smtp.run(fail).catch(() => {})
    await clock.advanceBy(50)
    expect(smtp.state).toMatchObject({ mode: 'open', scope: 'fleet', term: 1 })
  })
})
