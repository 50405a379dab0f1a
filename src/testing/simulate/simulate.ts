import { z } from 'zod'
import { count, parseOptions } from '../../kernel/options.ts'
import { breakerOptionsSchema } from '../../machines/breaker-options.ts'
import type { Conflict } from '../../machines/breaker-conflicts.ts'
import { configurationConflicts } from '../../streams/configuration-conflicts.ts'
import { retryPolicySchema } from '../../streams/retry/retry-policy.ts'
import { faultKinds, type FaultKind } from './fault-plan.ts'
import { type PlayedGuarded, playGuarded, playSimulation, type PlayedSimulation } from './play-simulation.ts'
import type { Scenario } from './scenario.ts'
import { onFewer, shrinkPlan } from './shrink-plan.ts'
import { simulationStory } from './simulation-story.ts'
import { simulationPlan, type SimulatedConfiguration, type SimulationPlan } from './simulation-plan.ts'
import { timelineOf, type SimulationTimeline } from './timeline.ts'
import type { Tally } from './tally.ts'

export interface SimulateOptions {
  /** The same shape that `verify` takes. */
  readonly config: SimulatedConfiguration
  /** 1 to 10,000; 10. */
  readonly instances?: number | undefined
  /** A whole number; the same seed gives the same run. Default: another one each time. */
  readonly seed?: number | undefined
  /** What happens to the dependency: `outage(…)`, `slow(…)`, `flapping(…)`, `rateLimited(…)`, `partiallySick(…)`. */
  readonly scenario: Scenario
  /** What else goes wrong, around the instances; `all`. */
  readonly faults?: 'all' | 'none' | readonly FaultKind[] | undefined
  /**
   * Plays all of it twice and compares the traces. Left out, that is done for up to 100 instances, and a larger fleet is
   * checked by 100 of its instances, under the same seed and faults. False: not at all.
   */
  readonly twice?: boolean | undefined
}

/** What the calls of a fleet came to. Each call ends in exactly one of `delivered`, `late` and `lost`. */
export interface Fleet {
  /** Calls that were asked for. */
  readonly calls: number
  /** Attempts that met the dependency in its trouble. */
  readonly reachedWhileDead: number
  /** Calls that a breaker refused at once. */
  readonly refused: number
  /** From the beginning of the trouble until all instances that meet it refuse calls, in ms; `null`: never. */
  readonly detectMs: number | null
  /** Calls that were let through as probes. */
  readonly probes: number
  /** From the end of the trouble until all instances let calls through again, in ms; `null`: never. */
  readonly recoverMs: number | null
  /** Calls that were delivered in time. */
  readonly delivered: number
  /** Calls that were delivered later than `lateAfterMs`, most of them from the dead letters. */
  readonly late: number
  /** Calls that failed for good, or whose process died, with nobody to send them again. */
  readonly lost: number
}

export interface SimulationOutcome {
  readonly seed: number
  /** A fingerprint of everything that happened: the same seed gives the same. */
  readonly traceHash: string
  /** How often each kind of fault came to pass. */
  readonly faults: Readonly<Record<string, number>>
  /** How often each change of mode came to pass: in the fleet's log, and of instances by themselves. */
  readonly transitions: Readonly<Record<string, number>>
  /** Faults that were asked for, and changes of mode, that never came to pass: nothing was shown of those. */
  readonly neverReached: readonly string[]
  /** What is not simulated: nothing was shown of that either. */
  readonly leftOut: readonly string[]
  /** How long the world went on with calls, in simulated ms. */
  readonly simulatedMs: number
  readonly with: Fleet
  /** The same calls, with the same retries and timeouts, without breakers and dead letters. */
  readonly without: Fleet
  readonly timeline: SimulationTimeline
}

/**
 * Plays a fleet of instances with this configuration through trouble of a dependency, in a world that is simulated: the
 * real breakers, log, proposals and rules of retries, on a clock of its own, with faults that the seed chooses. At the
 * end everything is healed, and must come together again.
 * @throws ConfigError; SimulationError where a law is broken, or the same seed gave another run
 */
export async function simulate(options: SimulateOptions): Promise<SimulationOutcome> {
  const { twice, ...given } = parseOptions(schema, options, 'simulate')
  const plan = simulationPlan({
    config: given.config,
    scenario: given.scenario,
    instances: given.instances ?? 10,
    seed: given.seed ?? Math.floor(Math.random() * 2 ** 31),
    faults: given.faults ?? 'all',
  })
  const played = await playSimulation(plan)
  if (played.broken.length > 0) throw await explainFailure(played)
  if (twice !== false) await checkTrace(played, twice === true)
  return outcomeOf(played)
}

/** A law was broken in a simulated world: which, in the smallest run that was found to show it, and how to play it again. */
export class SimulationError extends Error {
  /** Of the run that was asked for. */
  readonly seed: number
  readonly law: string
  /** The timeline of the smallest run. */
  readonly story: string
  /** That run, whole. */
  readonly plan: SimulationPlan
  /** Settings that contradict each other, which may be why. */
  readonly causes: readonly Conflict[]

  constructor({ plan, law, what, story }: Failure) {
    const causes = configurationConflicts({ ...plan, breakers: { [plan.scenario.of]: plan.breaker } })
    const lines = [
      `law ${law} is broken: ${what}`,
      ...causes.map(({ path, message }) => `  it may be because of ${path}: ${message}`),
      `  the smallest run that shows it has ${plural(plan.instances, 'instance')} and ${plural(plan.faults.length, 'fault')}:`,
      story,
      `  replay with seed ${plan.seed}`,
    ]
    super(lines.join('\n'))
    this.name = 'SimulationError'
    this.seed = plan.seed
    this.law = law
    this.story = story
    this.plan = plan
    this.causes = causes
  }
}

function plural(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`
}

interface Failure {
  readonly plan: SimulationPlan
  readonly law: string
  readonly what: string
  readonly story: string
}

/** Shrinks a run that broke a law, and tells it. */
export async function explainFailure(
  { plan, broken }: PlayedGuarded,
  play: (plan: SimulationPlan) => Promise<PlayedGuarded> = playGuarded,
): Promise<SimulationError> {
  const law = broken[0]?.law ?? ''
  const smallest = await shrinkPlan(plan, async (smaller) =>
    (await play(smaller)).broken.some((each) => each.law === law),
  )
  const played = await play(smallest)
  const what = played.broken.find((each) => each.law === law)?.what ?? ''
  return new SimulationError({ plan: smallest, law, what, story: simulationStory(played) })
}

/** So many instances cost a tenth of what a thousand do. */
const checkedMax = 100

async function checkTrace(played: PlayedGuarded, whole: boolean): Promise<void> {
  const { plan } = played
  const isSmall = whole || plan.instances <= checkedMax
  const first = isSmall ? played : await playGuarded(onFewer(plan, checkedMax))
  const again = await playGuarded(first.plan)
  if (again.traceHash === first.traceHash) return
  const what = `the same seed gave the traces ${first.traceHash} and ${again.traceHash}`
  throw new SimulationError({ plan: first.plan, law: 'simulation.same-trace', what, story: simulationStory(again) })
}

function outcomeOf(played: PlayedSimulation): SimulationOutcome {
  const { plan, traceHash, endMs, guarded, unprotected, modes } = played
  const { fromMs, forMs } = plan.scenario
  const faults = faultsOf(played)
  const transitions = transitionsOf(played)
  return {
    seed: plan.seed,
    traceHash,
    faults,
    transitions,
    neverReached: [...Object.entries(faults), ...Object.entries(transitions)].flatMap(([what, n]) =>
      n > 0 ? [] : what,
    ),
    leftOut,
    simulatedMs: endMs,
    with: {
      ...countsOf(guarded),
      detectMs: modes.detectedAt === undefined ? null : modes.detectedAt - fromMs,
      recoverMs: modes.recoveredAt === undefined ? null : modes.recoveredAt - fromMs - forMs,
    },
    without: { ...countsOf(unprotected), detectMs: null, recoverMs: 0 },
    timeline: timelineOf(played),
  }
}

const leftOut = Object.freeze([
  'limits: none is asked',
  'deadLetters: letters are counted, and their store neither fails nor is full',
])

function countsOf(tally: Tally): Omit<Fleet, 'detectMs' | 'recoverMs'> {
  const { calls, reachedWhileDead, refused, probes, delivered, late, lost } = tally
  return { calls, reachedWhileDead, refused, probes, delivered, late, lost }
}

function faultsOf({ plan, happened }: PlayedSimulation): Record<string, number> {
  const { scenario } = plan
  const counts: Record<string, number> = { [scenario.kind]: 1 }
  for (const kind of plan.faultKinds) counts[kind] = 0
  if (plan.faultKinds.includes('crash')) counts['restart'] = 0
  for (const { kind } of happened) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

/** Those of an outage; orders of operators are not part of any scenario. */
const expected = ['closed → open', 'open → halfOpen', 'halfOpen → closed', 'halfOpen → open']

function transitionsOf({ fleetChanges, localChanges }: PlayedSimulation): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const scope of ['fleet', 'local']) for (const what of expected) counts[`${scope}: ${what}`] = 0
  const add = (what: string, n: number): void => {
    counts[what] = (counts[what] ?? 0) + n
  }
  for (const { from, to } of fleetChanges) if (from !== to) add(`fleet: ${from} → ${to}`, 1)
  for (const [what, n] of localChanges) add(`local: ${what}`, n)
  return counts
}

const schema: z.ZodType<SimulateOptions> = z.strictObject({
  config: z.strictObject({
    breakers: z.record(z.string(), breakerOptionsSchema).optional(),
    retry: retryPolicySchema.optional(),
    deadlineMs: z.number().positive().optional(),
    limits: z.unknown().optional(),
  }),
  instances: count.max(10_000).optional(),
  seed: z.number().int().optional(),
  scenario: z.custom<Scenario>(isScenario, { error: 'expected a scenario, such as outage({ of: "smtp" })' }),
  faults: z.union([z.enum(['all', 'none']), z.array(z.enum(faultKinds))]).optional(),
  twice: z.boolean().optional(),
})

function isScenario(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && 'of' in value && 'fromMs' in value
}
