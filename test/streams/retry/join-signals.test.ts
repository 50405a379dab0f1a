import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { joinSignals } from '../../../src/streams/retry/join-signals.ts'

const listeners = (...controllers: readonly AbortController[]): readonly number[] =>
  controllers.map(({ signal }) => getEventListeners(signal, 'abort').length)

test('one signal alone, or twice, is itself, and is not listened to', () => {
  const controller = new AbortController()
  const { signal } = controller
  for (const joined of [joinSignals(signal, undefined), joinSignals(undefined, signal), joinSignals(signal, signal)]) {
    expect(joined.signal).toBe(signal)
    joined.release()
  }
  expect(joinSignals(undefined, undefined).signal).toBeUndefined()
  expect(listeners(controller)).toEqual([0])
})

test.each([
  [0, [0, 1]],
  [1, [1, 0]],
])('of two, the abort of number %i is theirs, once, until they are released', (which, left) => {
  const controllers = [new AbortController(), new AbortController()] as const
  const joined = joinSignals(controllers[0].signal, controllers[1].signal)
  expect(listeners(...controllers)).toEqual([1, 1])
  controllers[which]?.abort('enough')
  expect(joined.signal?.reason).toBe('enough')
  expect(listeners(...controllers)).toEqual(left)
  joined.release()
  expect(listeners(...controllers)).toEqual([0, 0])
})

test('two of which one was aborted before are aborted with its reason', () => {
  const aborted = AbortSignal.abort('before')
  const other = new AbortController().signal
  expect(joinSignals(aborted, other).signal?.reason).toBe('before')
  expect(joinSignals(other, aborted).signal?.reason).toBe('before')
})
