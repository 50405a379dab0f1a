import * as fc from 'fast-check'
import { createSwitchgear } from '../../../src/switchgear.ts'
import type { Law } from '../../../src/testing/law.ts'
import { laws } from '../../../src/testing/laws/laws.ts'
import { safeCallLaws } from '../../../src/testing/laws/safe-call.ts'

/** Every law by its stable name, over the sources as they were when this was loaded. */
const byName: ReadonlyMap<string, Law> = new Map(
  [...Object.values(laws), safeCallLaws(createSwitchgear)]
    .flatMap((group) => Object.values<Law>(group))
    .map((law) => [law.name, law]),
)

/** That a law does not hold. */
export interface Broken {
  /** How many it took, the last of which shows it. */
  readonly cases: number
  readonly because: string
}

/** How many cases it takes until the law of that name is broken, and how; `undefined` when none of so many breaks it. */
export async function breakLaw(name: string, runs: number): Promise<Broken | undefined> {
  const law = byName.get(name)
  if (law === undefined) throw new Error(`there is no law ${name}`)
  const property = fc.asyncProperty(law.cases, async (given) => void (await law.holds(given)))
  // The first case that breaks it will do: nobody reads the shortest one.
  const details = await fc.check(property, {
    numRuns: runs,
    seed: 1,
    endOnFailure: true,
    plugins: [fc.timeout(10_000)],
  })
  return details.failed ? { cases: details.numRuns, because: firstLineOf(details.errorInstance) } : undefined
}

function firstLineOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
}
