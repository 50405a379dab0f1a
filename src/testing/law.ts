import * as fc from 'fast-check'
import { ConfigError } from '../kernel/errors.ts'
import { type StoryEvent, tellStory } from './story.ts'
import type { Subject } from './verify/subject.ts'

/** `notExercised`: the case did not meet the law's precondition, so it shows nothing. */
export type Verdict = 'held' | 'notExercised'

/**
 * Something that must always hold, as a value: it can be named, listed, run on anybody's configuration, and skipped with
 * a reason.
 *
 * To write one: let `cases` generate whole scenarios (a configuration and what happens to it) as plain data, so that they
 * shrink and print; let `holds` play a case against the real code, with `virtualClock` and `seededRandom` and nothing
 * else that differs from run to run, and compare with an oracle that is too simple to be wrong. Throw (`node:assert`
 * will do) where it is broken, say `notExercised` where the case never came to the point.
 * @example
 * const sorted: Law<number[]> = {
 *   name: 'sort.ordered',
 *   says: 'no element is greater than the next',
 *   cases: fc.array(fc.integer()),
 *   holds(numbers) {
 *     if (numbers.length < 2) return 'notExercised'
 *     sort(numbers).reduce((last, next) => (assert.ok(last <= next), next))
 *     return 'held'
 *   },
 * }
 */
export interface Law<Case = unknown> {
  /** `<group>.<law>`, stable: reports, skips and replays name it. */
  readonly name: string
  /** The law in one line. */
  readonly says: string
  readonly cases: fc.Arbitrary<Case>
  /** Throws, or rejects, where the law is broken. */
  holds(given: Case): Verdict | Promise<Verdict>
  /** What happens in a case, for people. Without it they are shown the case as it was generated. */
  story?(given: Case): readonly StoryEvent[] | Promise<readonly StoryEvent[]>
  /**
   * The same law, with cases of this configuration alone; or why it does not apply to it. A law that has none says the
   * same whatever is configured, and is tried as it is.
   */
  for?(subject: Subject): Law | string
}

/** Laws that belong together, by the second part of their names. */
export type LawGroup = Readonly<Record<string, Law>>

export interface ProofOptions {
  /** Cases to try; at least 1. Default: `SWITCHGEAR_RUNS`, else 1,000. */
  readonly runs?: number
  /** A whole number; the same seed tries the same cases. Default: `SWITCHGEAR_SEED`, else another one each time. */
  readonly seed?: number
  /** Stop after this time, in ms, and judge what was tried until then. Default: no limit. */
  readonly budgetMs?: number
  /** A case that takes longer than this, in ms, has failed. Default: 10,000. */
  readonly caseMs?: number
  /**
   * So many cases are tried also when the time is over, and more of a law that would be vacuous, so that it is not judged
   * by a handful. Default: 1, and the time alone counts.
   */
  readonly runsMin?: number
  /** Tries this one case alone: the `path` of a report, which belongs to its seed. */
  readonly path?: string
}

export interface LawReport {
  readonly name: string
  /** `vacuous`: the precondition was met in fewer than 5 % of the cases, so that nothing was shown. */
  readonly status: 'passed' | 'failed' | 'vacuous'
  /** Cases that were tried, without those of shrinking. */
  readonly runs: number
  /** Cases that met the precondition. */
  readonly exercised: number
  readonly seed: number
  readonly durationMs: number
  /** What went wrong, for people: the shortest counterexample, why, and how to replay it. Only when it did. */
  readonly message?: string
  /** The shortest counterexample. Only when failed. */
  readonly counterexample?: unknown
  /** Where the counterexample is among the cases of its seed. Only when failed. */
  readonly path?: string
  /** The counterexample as a timeline, where the law can tell it. Only when failed. */
  readonly story?: string
  /** What `holds` threw. Only when failed. */
  readonly cause?: unknown
}

/** A law whose precondition is met more rarely than this shows nothing. */
export const exercisedShareMin = 0.05

/**
 * Tries a law on generated cases and throws unless it was shown: an error with the shortest counterexample and the seed,
 * or one that says VACUOUS.
 * @throws LawError, ConfigError for options or variables that cannot be meant
 */
export async function proveLaw<Case>(law: Law<Case>, options: ProofOptions = {}): Promise<LawReport> {
  const report = await examineLaw(law, options)
  if (report.status === 'passed') return report
  throw new LawError(report)
}

/** A law that was not shown. */
export class LawError extends Error {
  readonly report: LawReport

  constructor(report: LawReport) {
    super(report.message, { cause: report.cause })
    this.name = 'LawError'
    this.report = report
  }
}

/**
 * Tries a law on generated cases and says what came of it. Rejects only for options that cannot be meant.
 * @throws ConfigError
 */
export async function examineLaw<Case>(law: Law<Case>, options: ProofOptions = {}): Promise<LawReport> {
  const seed = options.seed ?? seedOfEnvironment()
  const startedAt = performance.now()
  const { runs = runsOfEnvironment(), budgetMs = Infinity, runsMin = 1, path } = options
  const verdicts: Verdict[] = []
  const property = fc.asyncProperty(law.cases, async (given) => {
    // What is left of the cases is generated, which is cheap, and not tried.
    if (performance.now() - startedAt >= budgetMs && verdicts.length >= runsMin && isEnough(verdicts)) return
    verdicts.push(await law.holds(given))
  })
  const details = await fc.check(property, {
    numRuns: path === undefined ? checkedRuns(runs) : 1,
    ...(seed === undefined ? {} : { seed }),
    ...(path === undefined ? {} : { path, endOnFailure: true }),
    plugins: [
      fc.timeout(options.caseMs ?? 10_000),
      ...(budgetMs === Infinity || runsMin > 1 ? [] : [fc.interruptAfterTimeLimit(budgetMs)]),
    ],
  })
  const tried = verdicts.slice(0, details.failed ? details.numRuns - 1 : details.numRuns)
  const exercised = tried.filter((verdict) => verdict === 'held').length
  const facts = {
    name: law.name,
    runs: details.failed ? details.numRuns : tried.length,
    exercised,
    seed: details.seed,
    durationMs: performance.now() - startedAt,
  }
  if (details.failed) return { ...facts, status: 'failed', ...(await failure(law, details)) }
  if (isEnough(tried)) return { ...facts, status: 'passed' }
  return { ...facts, status: 'vacuous', message: vacuity(law, facts) }
}

function isEnough(verdicts: readonly Verdict[]): boolean {
  const exercised = verdicts.filter((verdict) => verdict === 'held').length
  return exercised > 0 && exercised >= verdicts.length * exercisedShareMin
}

type FailedRun = Pick<
  fc.RunDetailsCommon<unknown>,
  'counterexample' | 'counterexamplePath' | 'errorInstance' | 'numRuns' | 'numShrinks' | 'seed'
>

async function failure<Case>(
  law: Law<Case>,
  details: FailedRun,
): Promise<Pick<LawReport, 'message' | 'counterexample' | 'cause' | 'path' | 'story'>> {
  const [counterexample] = Array.isArray(details.counterexample) ? (details.counterexample as readonly Case[]) : []
  const cause = details.errorInstance
  const story = counterexample === undefined ? undefined : await storyOf(law, counterexample)
  const lines = [
    `law ${law.name} is broken: ${law.says}`,
    `  case ${details.numRuns}, after ${details.numShrinks} steps of shrinking: ${fc.stringify(counterexample)}`,
    `  because: ${reason(cause)}`,
    ...(story === undefined ? [] : [indented(story)]),
    `  replay with SWITCHGEAR_SEED=${details.seed}`,
  ]
  return {
    message: lines.join('\n'),
    counterexample,
    cause,
    path: details.counterexamplePath ?? '',
    ...(story === undefined ? {} : { story }),
  }
}

/** None where the case cannot be told: what is wrong may well get into the way of telling it. */
async function storyOf<Case>(law: Law<Case>, given: Case): Promise<string | undefined> {
  try {
    const events = await law.story?.(given)
    return events === undefined || events.length === 0 ? undefined : tellStory(events)
  } catch {
    return undefined
  }
}

function indented(text: string): string {
  return text.replaceAll(/^/gmu, '    ')
}

/** Why a law is broken, in words. */
export function reason(cause: unknown): string {
  // Not `instanceof`: some runners give each test file a world, with errors, of its own.
  const isError = typeof cause === 'object' && cause !== null && 'message' in cause && typeof cause.message === 'string'
  return isError ? String(cause.message) : `${fc.stringify(cause)} was thrown`
}

function vacuity<Case>(
  law: Law<Case>,
  { runs, exercised, seed }: Pick<LawReport, 'runs' | 'exercised' | 'seed'>,
): string {
  return (
    `law ${law.name} is VACUOUS: ${exercised} of ${runs} cases met its precondition (at least ${exercisedShareMin * 100} % must), ` +
    `so nothing was shown of: ${law.says}\n  replay with SWITCHGEAR_SEED=${seed}`
  )
}

function checkedRuns(runs: number): number {
  if (Number.isSafeInteger(runs) && runs >= 1) return runs
  throw new ConfigError('runs', `expected a whole number of at least 1 (given: ${String(runs)})`)
}

/** The seed that `SWITCHGEAR_SEED` names. @throws ConfigError */
export function seedOfEnvironment(): number | undefined {
  return fromEnvironment('SWITCHGEAR_SEED', -(2 ** 31))
}

function runsOfEnvironment(): number {
  return fromEnvironment('SWITCHGEAR_RUNS', 1) ?? 1_000
}

function fromEnvironment(name: string, min: number): number | undefined {
  const text = process.env[name]
  if (text === undefined || text === '') return undefined
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= min) return value
  throw new ConfigError(name, `expected a whole number of at least ${min} (given: ${text})`)
}
