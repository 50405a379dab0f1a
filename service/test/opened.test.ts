import { expect, it } from 'vitest'
import { createOpened } from '../src/opened.ts'

it('lets go of all that was opened, the last first, once, whatever fails', async () => {
  const opened = createOpened()
  const closed: string[] = []
  opened.add(() => closed.push('store'))
  opened.add(async () => Promise.reject(new Error('no answer')))
  opened.add(async () => closed.push('server'))
  await expect(opened.letGo()).rejects.toThrow('no answer')
  expect(closed).toEqual(['server', 'store'])
  await opened.letGo()
  expect(closed).toHaveLength(2)
})
