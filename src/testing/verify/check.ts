import type { CheckOptions } from './check-options.ts'
import { planOf } from './plan.ts'
import type { LawResult, VerificationReport } from './report.ts'
import { tryLaw } from './try-law.ts'

/**
 * Tries the laws on a configuration, and on the code that is behind it, and says what came of each. Needs no test
 * runner; rejects only for options that cannot be meant.
 * @example
 * const report = await check({ config, handlers: { pay: (call, respond) => charge(call, respond) } })
 * if (!report.ok) console.error(JSON.stringify(report, undefined, 2))
 * @throws ConfigError
 */
export async function check(options: CheckOptions = {}): Promise<VerificationReport> {
  const startedAt = performance.now()
  const plan = planOf(options)
  const timing = shares(plan.budgetMs, plan.laws.filter((each) => 'law' in each).length)
  const laws: LawResult[] = []
  for (const planned of plan.laws) laws.push(await tryLaw(plan, planned, 'law' in planned ? timing.next() : 0))
  return {
    ok: laws.every(({ status }) => status !== 'failed' && status !== 'vacuous'),
    seed: plan.seed,
    durationMs: performance.now() - startedAt,
    laws,
  }
}

/** An equal share of what is left of the time for each law that is left; begins with the first. */
export function shares(budgetMs: number, laws: number): { next(): number } {
  let left = laws
  let endsAt: number | undefined
  return {
    next() {
      endsAt ??= performance.now() + budgetMs
      const share = Math.max(1, endsAt - performance.now()) / Math.max(1, left)
      left -= 1
      return share
    },
  }
}
