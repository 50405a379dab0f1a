import { expect, it } from 'vitest'
import { attemptLog } from '../src/delivery/attempt-log.ts'

it('Of the attempts to send a message the newest 50 are kept, those of earlier claims among them', () => {
  const log = attemptLog(Array.from({ length: 49 }, (_, at) => ({ at, error: 'before' })))
  const failed = Array.from({ length: 51 }, () => log.begin())
  for (const [index, fail] of failed.entries()) fail(`failure ${index}`)
  expect(log.records.map(({ error }) => error)).toEqual(
    Array.from({ length: 50 }, (_, index) => `failure ${index + 1}`),
  )
})

it('Of an error so much is kept that a record stays small, and what is said first', () => {
  const log = attemptLog([])
  const failed = log.begin()
  failed('x'.repeat(10_000))
  failed('said later')
  expect(log.records).toMatchObject([{ error: 'x'.repeat(500) }])
})
