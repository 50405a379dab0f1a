import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../src/ports/limits.ts'
import { proveLaw } from '../../src/testing/law.ts'
import { limiterLaws, limiterLawsOf } from '../../src/testing/laws/limiter.ts'

describe('the laws of rate limits', () => {
  test.each(Object.values(limiterLaws).map((law) => [law.name, law.says, law] as const))(
    '%s: %s',
    async (_name, _says, law) => {
      await proveLaw(law)
    },
  )

  test('can be proven for the limits of the specification', async () => {
    const { neverOver, truthful } = limiterLawsOf(fc.constant(defaultLimits))
    for (const law of [neverOver, truthful])
      expect(await proveLaw(law, { runs: 100 })).toMatchObject({ status: 'passed' })
  })
})
