import { randomInt } from 'node:crypto'
import type { Conflict, ConflictRule } from '../../machines/breaker-conflicts.ts'
import { configurationConflicts } from '../../streams/configuration-conflicts.ts'
import { type Law, seedOfEnvironment } from '../law.ts'
import { laws as allLaws } from '../laws/laws.ts'
import { checkDefaults, checkOptions, type CheckOptions, subjectOf } from './check-options.ts'
import { type Failures, failuresIn } from './failures.ts'
import type { LawResult } from './report.ts'

/** What is to be tried, decided before anything is. */
export interface Plan {
  readonly seed: number
  readonly laws: readonly PlannedLaw[]
  readonly runs: number
  /** Of all laws together. */
  readonly budgetMs: number
  readonly failures: Failures
}

export type PlannedLaw =
  | {
      readonly name: string
      readonly law: Law
      readonly conflicts: readonly Conflict[]
      /** Whether its cases come from the configuration, rather than being its own. */
      readonly configured: boolean
    }
  /** Not to be tried, and what is to be said of it. */
  | { readonly name: string; readonly result: LawResult }

/** Under this name stand the conflicts of which no law is tried. */
const consistency = 'configuration.consistent'

/** @throws ConfigError */
export function planOf(given: CheckOptions): Plan {
  const options = checkOptions(given)
  const subject = subjectOf(options)
  const { skip = {}, config = {}, budget = {}, failures = checkDefaults.failures } = options
  const seed = options.seed ?? seedOfEnvironment() ?? randomInt(2 ** 31)
  const conflicts = configurationConflicts(config)
  const all = (options.laws ?? Object.values(allLaws)).flatMap((group) => Object.values(group))
  const laws = all.map((law): PlannedLaw => {
    const { name } = law
    const skipped = Object.hasOwn(skip, name) ? skip[name] : undefined
    if (skipped !== undefined) return { name, result: { name, status: 'skipped', runs: 0, reason: skipped } }
    const own = law.for === undefined ? law : law.for(subject)
    if (typeof own === 'string') return { name, result: { name, status: 'notApplicable', runs: 0, reason: own } }
    const about = conflicts.filter(({ rule }) => shownBy[rule] === name)
    return { name, law: own, conflicts: about, configured: law.for !== undefined }
  })
  const tried = new Set(laws.flatMap((each) => ('law' in each ? [each.name] : [])))
  const left = conflicts.filter(({ rule }) => !tried.has(shownBy[rule]) && !Object.hasOwn(skip, shownBy[rule]))
  return {
    seed,
    laws: [...laws, ...left.map(({ path, message }) => inconsistent(path, message))],
    runs: budget.runs ?? checkDefaults.runs,
    budgetMs: budget.ms ?? checkDefaults.ms,
    failures: failuresIn(failures, { config, instances: subject.instances, faults: subject.faults }),
  }
}

/** The law that plays what comes of a conflict. */
const shownBy: Readonly<Record<ConflictRule, string>> = {
  rateOfNothing: 'breaker.oracle',
  windowTooSmall: 'breaker.oracle',
  slowerThanTimeout: 'breaker.oracle',
  neverTrips: 'breaker.oracle',
  nothingToShare: 'breaker.oracle',
  leaseBelowTimeout: 'breaker.liveness',
  leaseBeyondGrace: 'probe.one-lease',
  retriesOutlastDeadline: 'retry.deadline',
  timeoutOutlastsDeadline: 'retry.deadline',
}

function inconsistent(path: string, message: string): PlannedLaw {
  const result = { name: consistency, status: 'failed', runs: 0, reason: message, cause: { path, message } } as const
  return { name: consistency, result }
}
