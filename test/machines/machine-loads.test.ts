import { expect, test } from 'vitest'

test('the machine is one that XState takes', async () => {
  const { breakerMachine } = await import('../../src/machines/breaker-machine.ts')
  expect(Object.keys(breakerMachine.states)).toEqual(['closed', 'open', 'halfOpen', 'forcedOpen', 'disabled'])
})
