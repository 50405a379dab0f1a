import { expect, test } from 'vitest'
import { createSwitchgear, memoryDeadLetters } from '../../src/index.ts'

test('an instance keeps dead letters in memory unless it is given a queue, and closes it when nobody uses it any more', async () => {
  const gear = createSwitchgear()
  expect(await gear.deadLetters.count()).toBe(0)
  await gear.close()
  let closed = 0
  const deadLetters = { ...memoryDeadLetters(), close: async () => void (closed += 1) }
  const [one, other] = [createSwitchgear({ deadLetters }), createSwitchgear({ deadLetters })]
  await one.close()
  expect(closed).toBe(0)
  await other.close()
  expect(closed).toBe(1)
})

test('dead letters of another fleet are not meant for this one', async () => {
  const deadLetters = { ...memoryDeadLetters(), fleet: 'alerts' }
  const refusal = expect.objectContaining({ name: 'ConfigError', path: 'deadLetters' }) as Error
  expect(() => createSwitchgear({ deadLetters })).toThrow(refusal)
  await createSwitchgear({ deadLetters, fleet: 'alerts' }).close()
})

test('what a call through an instance could not deliver is redriven through the same breaker', async () => {
  const gear = createSwitchgear({ retry: { maxAttempts: 1 } })
  let isDown = true
  const send = async (text: unknown) => {
    if (isDown) throw new Error(`${String(text)} failed`)
  }
  const letter = { organization: 'acme', channel: 'email', messageId: 'm1', payload: 'hello' }
  const outcome = await gear.safeCall({ breaker: 'smtp', deadLetter: () => letter }, () => send('hello'))
  expect(outcome).toMatchObject({ status: 'deadLettered' })
  isDown = false
  const through = gear.breaker('smtp')
  const statuses: string[] = []
  await gear.deadLetters
    .redrive({ organization: 'acme' }, { to: ({ payload }) => send(payload), through })
    .forEach(({ status }) => statuses.push(status))
  expect(statuses).toEqual(['delivered'])
  expect(await gear.deadLetters.count()).toBe(0)
  await gear.close()
})
