import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { classByCode, classByPrefix, type ErrorClass, retryableByType } from '../../src/kernel/error-classes.ts'
import * as errors from '../../src/kernel/errors.ts'

const text = readFileSync(new URL('../../docs/ERRORS.md', import.meta.url), 'utf8')
const [ours = '', others = ''] = text.split('\n## Others')

/** The cells of a section's table, without its head. */
function rowsOf(section: string): string[][] {
  const lines = section.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

const refusal = { breaker: 'b', mode: 'open', retryAfterMs: 1, retryAt: 1, because: '' } as const
const samples: readonly errors.SwitchgearError[] = [
  new errors.ConfigError('path', 'rule'),
  new errors.BreakerOpenError(refusal),
  new errors.RateLimitedError('email', { retryAfterMs: 1 }),
  new errors.TimeoutError('a call', 1),
  new errors.OverCapacityError('a queue', 'max', 1),
  new errors.UnavailableError('redis', 'gone'),
  new errors.ClosedError('it'),
]

describe('docs/ERRORS.md', () => {
  test('has a row for each of our errors, with its class and whether it is retryable, and no other', () => {
    const documented = rowsOf(ours).map(([code, name, retryable]) => [code, name, retryable !== 'no'])
    expect(documented).toEqual(samples.map((error) => [`\`${error.code}\``, `\`${error.name}\``, error.retryable]))
  })

  test('knows all the classes of errors that there are', () => {
    const classes = Object.entries(errors).filter(([name]) => name.endsWith('Error') && name !== 'SwitchgearError')
    expect(samples.map((error) => error.name).toSorted()).toEqual(classes.map(([name]) => name).toSorted())
  })

  test('lists every code under its class, and no code that is not classified so', () => {
    const documented = rowsOf(others).flatMap(([type = '', retryable = '', what = '']) =>
      codesIn(what).map((code) => `${code} ${type.replaceAll('`', '')} ${retryable}`),
    )
    const classified = [...classByCode, ...classByPrefix].map(([code, { type, retryable }]) =>
      row(code, { type, retryable }),
    )
    expect(documented.toSorted()).toEqual(classified.toSorted())
  })

  test('says of every type whether it is usually retryable', () => {
    const usual = new Map(
      rowsOf(others)
        .toReversed()
        .map(([type = '', retryable]) => [type.replaceAll('`', ''), retryable === 'yes']),
    )
    expect(Object.fromEntries(usual)).toMatchObject(retryableByType)
    expect([...usual.keys()].toSorted()).toEqual(Object.keys(retryableByType).toSorted())
  })
})

const abortCodes = new Set(['ABORT_ERR', 'UND_ERR_ABORTED', 'ERR_CANCELED', 'EABORT'])

/** Words in capitals; those of an abort are not in the table of codes, but in `own-faults`. */
function codesIn(what: string): string[] {
  const words = [...what.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, word = '']) => word)
  return words.filter((word) => !abortCodes.has(word))
}

function row(code: string, { type, retryable }: ErrorClass): string {
  return `${code} ${type} ${retryable ? 'yes' : 'no'}`
}
