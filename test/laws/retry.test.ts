import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { examineLaw, proveLaw } from '../../src/testing/law.ts'
import { retryLaws } from '../../src/testing/laws/retry-configured.ts'
import { retryLawsOf } from '../../src/testing/laws/retry.ts'

describe('the laws of retry', () => {
  test.each(Object.values(retryLaws).map((law) => [law.name, law.says, law] as const))(
    '%s: %s',
    async (_name, _says, law) => {
      await proveLaw(law)
    },
  )

  test('can be proven for one policy', async () => {
    const laws = retryLawsOf(fc.constant({ maxAttempts: 4, baseDelayMs: 200, maxDelayMs: 5_000, deadlineMs: 8_000 }))
    for (const law of Object.values(laws))
      expect(await proveLaw(law, { runs: 100 })).toMatchObject({ status: 'passed' })
  })

  test('that a policy cannot put to the test are vacuous', async () => {
    const { delays } = retryLawsOf(fc.constant({ maxAttempts: 1 }))
    expect(await examineLaw(delays, { runs: 100 })).toMatchObject({ status: 'vacuous' })
  })
})
