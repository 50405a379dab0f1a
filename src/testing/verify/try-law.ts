import { stringify } from 'fast-check'
import type { Conflict } from '../../machines/breaker-conflicts.ts'
import { examineLaw, type Law, type LawReport, type ProofOptions, reason } from '../law.ts'
import { BlameError } from './blame.ts'
import type { FailedCase } from './failures.ts'
import type { Plan, PlannedLaw } from './plan.ts'
import type { LawResult } from './report.ts'

/** So many cases are tried of each law, also when its time is over. */
const runsMin = 20

/** So many of the cases that failed before are tried first. */
const replaysMax = 5

/** Tries one law of a plan, for `budgetMs`: first what failed before, then new cases. */
export async function tryLaw(plan: Plan, planned: PlannedLaw, budgetMs: number): Promise<LawResult> {
  if ('result' in planned) return planned.result
  const { law, conflicts, configured } = planned
  const report = (await replayed(plan, law)) ?? (await examined(plan, law, budgetMs))
  const result = withCause(resultOf(report), report, conflicts)
  return result.status === 'passed' && !configured ? { ...result, reason: asItIs } : result
}

/** So that nobody takes what was shown of the code for something that was shown of the configuration. */
const asItIs = 'tried on settings of its own: it does not go by the configuration'

/** The first of the cases that failed before and fails still; those that do not are forgotten. */
async function replayed({ failures }: Plan, law: Law): Promise<LawReport | undefined> {
  for (const failed of failures.of(law.name).slice(0, replaysMax)) {
    const report = await again(law, failed)
    if (report?.status === 'failed') return report
    failures.drop(failed)
  }
  return undefined
}

/** None where there is no such case any more. */
async function again(law: Law, { seed, path }: FailedCase): Promise<LawReport | undefined> {
  try {
    return await examineLaw(law, { seed, path })
  } catch {
    return undefined
  }
}

async function examined({ seed, runs, failures }: Plan, law: Law, budgetMs: number): Promise<LawReport> {
  const options: ProofOptions = { seed, runs, budgetMs, runsMin: Math.min(runs, runsMin) }
  const report = await examineLaw(law, options)
  if (report.status === 'failed' && report.path !== undefined)
    failures.add({ law: law.name, seed: report.seed, path: report.path })
  return report
}

function resultOf(report: LawReport): LawResult {
  const { name, status, runs, seed, story } = report
  if (status === 'passed') return { name, status, runs, seed }
  const why = status === 'failed' ? reason(report.cause) : (report.message ?? '')
  return { name, status, runs, seed, reason: why, ...(status === 'failed' && { story: story ?? caseOf(report) }) }
}

/** What was generated, for laws that cannot tell it otherwise. */
function caseOf({ counterexample }: LawReport): string {
  const text = stringify(counterexample)
  return text.length <= caseTextMax ? text : `${text.slice(0, caseTextMax)}…`
}

const caseTextMax = 4_000

/** A law that fails, or shows nothing, where settings conflict that it is about: they are why. */
function withCause(result: LawResult, { cause: thrown }: LawReport, conflicts: readonly Conflict[]): LawResult {
  if (thrown instanceof BlameError) return { ...result, cause: { path: thrown.path, message: thrown.message } }
  const [conflict] = conflicts
  if (conflict === undefined) return result
  const { path, message } = conflict
  const why = result.status === 'failed' ? result.reason : message
  return { ...result, status: 'failed', cause: { path, message }, ...(why !== undefined && { reason: why }) }
}
