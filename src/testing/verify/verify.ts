import { shares } from './check.ts'
import type { CheckOptions } from './check-options.ts'
import { planOf, type PlannedLaw } from './plan.ts'
import { describeResult, type LawResult } from './report.ts'
import { tryLaw } from './try-law.ts'

/** `test` of vitest, jest or node:test. */
export interface TestFunction {
  (name: string, run: () => Promise<void>, timeoutMs?: number): unknown
  readonly skip?: (name: string, run: () => Promise<void>) => unknown
}

/**
 * Makes a test of each law, for a configuration and the code behind it; where one is broken, its test fails with the
 * shortest counterexample as a timeline, the setting that it comes from, and the seed that replays it.
 * @example
 * import { test } from 'vitest' // or from node:test; jest has it without
 * verify(test, { config, handlers: { pay: (call, respond) => charge(call, respond) } })
 * @throws ConfigError
 */
export function verify(test: TestFunction, options: CheckOptions = {}): void {
  const plan = planOf(options)
  const timing = shares(plan.budgetMs, plan.laws.filter((each) => 'law' in each).length)
  for (const planned of plan.laws) {
    const left = leftOut(planned)
    if (left !== undefined) {
      const skip = test.skip ?? test
      skip(left, async () => {})
      continue
    }
    test(
      titleOf(planned),
      async () => {
        const result = await tryLaw(plan, planned, timing.next())
        if (result.status !== 'passed') throw new VerificationError(result)
      },
      plan.budgetMs + patienceMs,
    )
  }
}

/** A law that does not hold for what was verified. */
export class VerificationError extends Error {
  readonly result: LawResult

  constructor(result: LawResult) {
    super(describeResult(result))
    this.name = 'VerificationError'
    this.result = result
  }
}

/** Beside its time: for the cases that are tried in any case, for shrinking, and for machines that are slow. */
const patienceMs = 120_000

function titleOf(planned: PlannedLaw): string {
  return 'law' in planned ? `${planned.name}: ${planned.law.says}` : planned.name
}

/** Not the conflict of which no law is tried: that fails. */
function leftOut(planned: PlannedLaw): string | undefined {
  if ('law' in planned || planned.result.status === 'failed') return undefined
  const { name, status, reason = '' } = planned.result
  return `${name} (${status === 'skipped' ? 'skipped' : 'not applicable'}: ${reason})`
}
