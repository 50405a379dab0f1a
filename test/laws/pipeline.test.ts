import { expect, test } from 'vitest'
import { deliver } from '../../src/streams/pipeline/deliver.ts'
import { proveLaw } from '../../src/testing/law.ts'
import { deliverLawsOf, pipelineLaws } from '../../src/testing/laws/pipeline.ts'

const { oneOutcome } = deliverLawsOf(deliver)

test.each([...Object.values(pipelineLaws), oneOutcome].map((law) => [law.name, law.says, law] as const))(
  '%s: %s',
  async (_name, _says, law) => {
    expect(await proveLaw(law)).toMatchObject({ status: 'passed' })
  },
  120_000,
)
