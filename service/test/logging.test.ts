import { classify } from 'switchgear'
import { describe, expect, it } from 'vitest'
import { errorFacts } from '../src/logging.ts'

describe('an error in the log', () => {
  it('that was classified is told by its plain facts, and by nothing that hangs on it', () => {
    const thrown = Object.assign(new Error('451 try later'), { responseCode: 451, secret: 'hush-hush' })
    const facts = errorFacts(classify(thrown))
    expect(facts).toMatchObject({
      type: 'server_error',
      name: 'Error',
      message: expect.stringContaining('451') as string,
    })
    expect(JSON.stringify(facts)).not.toContain('hush-hush')
  })

  it('brings its code and its causes, and none of its other properties', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', headers: 'hush-hush' })
    const facts = errorFacts(new TypeError('fetch failed', { cause }))
    expect(facts).toMatchObject({ name: 'TypeError', cause: { message: 'refused', code: 'ECONNREFUSED' } })
    expect(JSON.stringify(facts)).not.toContain('hush-hush')
  })

  it('may be anything', () => {
    expect(errorFacts('no')).toBe('no')
    expect(errorFacts(undefined)).toBe('undefined')
    expect(errorFacts({ password: 'hush-hush' })).toEqual({})
  })
})
