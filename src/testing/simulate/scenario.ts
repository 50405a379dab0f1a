import { z } from 'zod'
import { checkName } from '../../kernel/names.ts'
import { count, parseOptions } from '../../kernel/options.ts'

/** What all scenarios say. */
export interface ScenarioBase {
  /** The breaker whose dependency is in trouble. */
  readonly of: string
  /** When the trouble begins, in ms from the start; 10,000. */
  readonly fromMs?: number | undefined
  /** How long it lasts, in ms; 60,000. */
  readonly forMs?: number | undefined
  /** Calls a second that each instance is asked for, at random moments; 60. */
  readonly callsPerSecond?: number | undefined
  /** How long the dependency takes for a call when it is well, in ms; 20, each between half and one and a half of it. */
  readonly latencyMs?: number | undefined
  /** A call that is delivered later than this after it was asked for is late, in ms; 10,000. */
  readonly lateAfterMs?: number | undefined
}

/** `refuses`: no connection, at once; `errors`: 503, at once; `hangs`: no answer, until a timeout or two minutes end it. */
export type Death = 'refuses' | 'errors' | 'hangs'

export interface OutageOptions extends ScenarioBase {
  /** How calls fail while it is dead; `refuses`. */
  readonly how?: Death | undefined
}

export interface SlowOptions extends ScenarioBase {
  /** How long a call takes meanwhile, in ms; 5,000. */
  readonly slowMs?: number | undefined
}

export interface FlappingOptions extends ScenarioBase {
  /** How long it is dead, and then as long well, and so on, in ms; 2,000. */
  readonly everyMs?: number | undefined
}

export interface RateLimitedOptions extends ScenarioBase {
  /** Calls a second that it takes from the whole fleet, more get 429; half of those that come. */
  readonly perSecond?: number | undefined
  /** What it says in `Retry-After`, in whole s; 1. */
  readonly retryAfterS?: number | undefined
}

export interface PartiallySickOptions extends ScenarioBase {
  /** Which share fails, above 0 and up to 1; 0.5. */
  readonly share?: number | undefined
  /** `calls`: that share of everybody's calls; `instances`: all calls of that share of the instances. `calls`. */
  readonly among?: 'calls' | 'instances' | undefined
}

/** What happens to the dependency, as plain data; made by `outage` and its like. */
export type Scenario = { readonly [K in keyof ScenarioBase]-?: NonNullable<ScenarioBase[K]> } & Trouble

export type Trouble =
  | { readonly kind: 'outage'; readonly how: Death }
  | { readonly kind: 'slow'; readonly slowMs: number }
  | { readonly kind: 'flapping'; readonly everyMs: number }
  | { readonly kind: 'rateLimited'; readonly perSecond: number | undefined; readonly retryAfterS: number }
  | { readonly kind: 'partiallySick'; readonly share: number; readonly among: 'calls' | 'instances' }

export const scenarioDefaults: Readonly<Record<Exclude<keyof ScenarioBase, 'of'>, number>> = Object.freeze({
  fromMs: 10_000,
  forMs: 60_000,
  callsPerSecond: 60,
  latencyMs: 20,
  lateAfterMs: 10_000,
})

/** The dependency is dead for a while. @throws ConfigError */
export function outage(options: OutageOptions): Scenario {
  const { how = 'refuses', ...of } = parseOptions(schemas.outage, options, 'outage')
  return { ...based(of), kind: 'outage', how }
}

/** The dependency answers, and takes long. @throws ConfigError */
export function slow(options: SlowOptions): Scenario {
  const { slowMs = 5_000, ...of } = parseOptions(schemas.slow, options, 'slow')
  return { ...based(of), kind: 'slow', slowMs }
}

/** The dependency is dead and well in turn. @throws ConfigError */
export function flapping(options: FlappingOptions): Scenario {
  const { everyMs = 2_000, ...of } = parseOptions(schemas.flapping, options, 'flapping')
  return { ...based(of), kind: 'flapping', everyMs }
}

/** The dependency takes only so many calls a second, and answers the others with 429. @throws ConfigError */
export function rateLimited(options: RateLimitedOptions): Scenario {
  const { perSecond, retryAfterS = 1, ...of } = parseOptions(schemas.rateLimited, options, 'rateLimited')
  return { ...based(of), kind: 'rateLimited', perSecond, retryAfterS }
}

/** The dependency fails some calls, or those of some instances. @throws ConfigError */
export function partiallySick(options: PartiallySickOptions): Scenario {
  const { share = 0.5, among = 'calls', ...of } = parseOptions(schemas.partiallySick, options, 'partiallySick')
  return { ...based(of), kind: 'partiallySick', share, among }
}

function based(given: ScenarioBase): Omit<Scenario, keyof Trouble> {
  const { of, fromMs, forMs, callsPerSecond, latencyMs, lateAfterMs } = given
  return {
    of: checkName(of, 'breaker'),
    fromMs: fromMs ?? scenarioDefaults.fromMs,
    forMs: forMs ?? scenarioDefaults.forMs,
    callsPerSecond: callsPerSecond ?? scenarioDefaults.callsPerSecond,
    latencyMs: latencyMs ?? scenarioDefaults.latencyMs,
    lateAfterMs: lateAfterMs ?? scenarioDefaults.lateAfterMs,
  }
}

/** An hour: the world goes on for some while after that. */
const ms = z.number().int().min(1).max(3_600_000)
const base = {
  of: z.string(),
  fromMs: z.number().int().min(0).max(3_600_000).optional(),
  forMs: ms.optional(),
  callsPerSecond: z.number().positive().max(1_000).optional(),
  latencyMs: ms.optional(),
  lateAfterMs: ms.optional(),
}
const schemas: {
  readonly outage: z.ZodType<OutageOptions>
  readonly slow: z.ZodType<SlowOptions>
  readonly flapping: z.ZodType<FlappingOptions>
  readonly rateLimited: z.ZodType<RateLimitedOptions>
  readonly partiallySick: z.ZodType<PartiallySickOptions>
} = {
  outage: z.strictObject({ ...base, how: z.enum(['refuses', 'errors', 'hangs']).optional() }),
  slow: z.strictObject({ ...base, slowMs: ms.optional() }),
  flapping: z.strictObject({ ...base, everyMs: ms.optional() }),
  rateLimited: z.strictObject({
    ...base,
    perSecond: z.number().nonnegative().optional(),
    retryAfterS: count.optional(),
  }),
  partiallySick: z.strictObject({
    ...base,
    share: z.number().positive().max(1).optional(),
    among: z.enum(['calls', 'instances']).optional(),
  }),
}
