import { expect, test } from 'vitest'
import { createSwitchgear } from '../../src/switchgear.ts'
import { proveLaw } from '../../src/testing/law.ts'
import { safeCallLaws } from '../../src/testing/laws/safe-call.ts'

const laws = safeCallLaws(createSwitchgear)

test.each(Object.values(laws).map((law) => [law.name, law.says, law] as const))('%s: %s', async (_name, _says, law) => {
  expect(await proveLaw(law)).toMatchObject({ status: 'passed' })
})
