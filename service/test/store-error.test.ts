import { UnavailableError } from 'switchgear'
import { describe, expect, it } from 'vitest'
import { translated } from '../src/store/store-error.ts'

/** What the driver throws for an answer with this SQLSTATE. */
const answered = (state: string): Error => Object.assign(new Error('the server says so'), { code: state })
const asked = (error: unknown): Promise<never> =>
  translated('PostgreSQL', () => Promise.reject(error instanceof Error ? error : new Error('it is none')))

describe('an error of the database', () => {
  it.each([
    ['08006', 'the connection is broken'],
    ['53300', 'there are too many connections'],
    ['57P01', 'an operator ends it'],
    ['57014', 'the statement takes too long'],
    ['58030', 'its disk fails'],
    ['XX000', 'it does not understand itself'],
    ['XX001', 'its data is damaged'],
    ['25P03', 'a transaction was silent for too long'],
  ])('says with %s that it could not be asked: %s', async (state) => {
    const error = answered(state)
    await expect(asked(error)).rejects.toMatchObject({ code: 'SWITCHGEAR_UNAVAILABLE', cause: error })
  })

  it.each([
    ['23505', 'somebody else was first'],
    ['22P05', 'it has no place for a character'],
    ['42P01', 'there is no such table'],
    ['25P02', 'the transaction has failed already'],
  ])('is with %s an answer: %s', async (state) => {
    const error = answered(state)
    await expect(asked(error)).rejects.toBe(error)
  })
})

describe('an error that is none of the database', () => {
  it.each([
    ['of a socket', Object.assign(new Error('write'), { code: 'EPIPE' })],
    ['of a connection that was refused', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
    ['of the driver', new Error('timeout exceeded when trying to connect')],
  ])('%s says that it could not be asked', async (_what, error) => {
    await expect(asked(error)).rejects.toBeInstanceOf(UnavailableError)
  })

  it('of ours stays what it is', async () => {
    for (const error of [new TypeError('a mistake'), new RangeError('a mistake')])
      await expect(asked(error)).rejects.toBe(error)
  })
})
