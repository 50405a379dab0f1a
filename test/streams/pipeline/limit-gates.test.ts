import { describe, expect, test } from 'vitest'
import { limitGates } from '../../../src/streams/pipeline/limit-gates.ts'
import { virtualClock } from '../../../src/testing/virtual-clock.ts'

describe('limit gates', () => {
  test('a limit that was refused is shut until it is time, and then lets one ask', async () => {
    const clock = virtualClock()
    const gates = limitGates(clock, () => true)
    gates.refused('acme', 100)
    expect(gates.inTheWay('acme')).toBeDefined()
    await clock.advanceBy(100)
    expect(gates.inTheWay('acme')).toBeUndefined()
    gates.ask('acme')
    expect(gates.inTheWay('acme')).toBeDefined()
  })

  test('nothing is kept when the one that was to ask is gone', async () => {
    const clock = virtualClock()
    const gates = limitGates(clock, () => true)
    gates.refused('acme', 100)
    await clock.advanceBy(100)
    gates.leave('acme')
    gates.ask('acme')
    expect(gates.inTheWay('acme')).toBeUndefined()
  })

  test('one that leaves before it is time opens nothing', () => {
    const gates = limitGates(virtualClock(), () => true)
    gates.refused('acme', 100)
    gates.leave('acme')
    expect(gates.inTheWay('acme')).toBeDefined()
  })
})
