import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { places } from '../../../src/streams/redrive/redrive-places.ts'

test('who has waited longest is next, and whoever is called off waits no more', async () => {
  const shared = places(1)
  const { signal } = new AbortController()
  const impatient = new AbortController()
  const came: string[] = []
  const enter = async (name: string, by = signal): Promise<void> => {
    came.push((await shared.enter(by)) ? name : `not ${name}`)
  }
  await enter('first')
  const others = [enter('second'), enter('third', impatient.signal), enter('fourth')]
  impatient.abort()
  await others[1]
  expect(came).toEqual(['first', 'not third'])
  shared.leave()
  await others[0]
  shared.leave()
  await others[2]
  expect(came.slice(2)).toEqual(['second', 'fourth'])
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  await enter('late', AbortSignal.abort())
  shared.leave()
  await enter('fifth')
  expect(came.slice(4)).toEqual(['not late', 'fifth'])
})
