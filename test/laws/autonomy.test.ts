import { expect, test } from 'vitest'
import { proveLaw } from '../../src/testing/law.ts'
import { laws } from '../../src/testing/laws/laws.ts'

test.each(Object.values(laws.autonomy).map((law) => [law.name, law.says, law] as const))(
  '%s: %s',
  async (_name, _says, law) => {
    expect(await proveLaw(law)).toMatchObject({ status: 'passed' })
  },
)
