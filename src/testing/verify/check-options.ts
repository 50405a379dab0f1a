import * as fc from 'fast-check'
import { z } from 'zod'
import { ConfigError } from '../../kernel/errors.ts'
import { callable, count, durationMs, parseOptions } from '../../kernel/options.ts'
import { breakerOptionsSchema, breakerSettings } from '../../machines/breaker-options.ts'
import { checkLimits } from '../../ports/limits.ts'
import type { Limits } from '../../ports/limiter.ts'
import type { Configuration as InstanceConfiguration } from '../../streams/configuration-conflicts.ts'
import { retryPolicySchema } from '../../streams/retry/retry-policy.ts'
import type { LawGroup } from '../law.ts'
import { laws as allLaws } from '../laws/laws.ts'
import { type FaultKind, faultKinds } from '../simulate/fault-plan.ts'
import type { Handler, Subject } from './subject.ts'
import { http, isFailure, ok, thrown, timedOut, type TransportOutcome } from './transport.ts'

/** What is verified: what `createSwitchgear` and the limiter are given, and what `switchgear verify --config` reads. */
export interface Configuration extends InstanceConfiguration {
  readonly limits?: Limits | undefined
}

export interface CheckOptions {
  /** The real one. Default: nothing but the defaults. */
  readonly config?: Configuration | undefined
  /** Real code by breaker: it is given the call, and `respond`, which stands for the transport. */
  readonly handlers?: Readonly<Record<string, Handler>> | undefined
  /** What the transport does. Default: `ok()`, `http(503)`, `timedOut()` and `thrown(…)`, with as many ok as all others. */
  readonly outcomes?: fc.Arbitrary<TransportOutcome> | undefined
  /** Groups of laws. Default: all of `laws`. */
  readonly laws?: readonly LawGroup[] | undefined
  /** Laws that are left out, by name, and why. */
  readonly skip?: Readonly<Record<string, string>> | undefined
  /** How many instances a fleet has at most, 1 to 16; 3. Where a quorum needs more, there are as many. */
  readonly instances?: number | undefined
  /** What can go wrong in a fleet; 'all'. */
  readonly faults?: 'all' | 'none' | readonly FaultKind[] | undefined
  /** How many cases of each law, 200, and how long all of them together may take, in ms; 10,000. Each has 20 at least. */
  readonly budget?: { readonly runs?: number | undefined; readonly ms?: number | undefined } | undefined
  /** A whole number; the same one tries the same cases. Default: `SWITCHGEAR_SEED`, else another one each time. */
  readonly seed?: number | undefined
  /** The file that failing cases are kept in, to be tried first the next time; `false`: none. */
  readonly failures?: string | false | undefined
}

export const checkDefaults: Readonly<{ instances: number; runs: number; ms: number; failures: string }> = Object.freeze(
  {
    instances: 3,
    runs: 200,
    ms: 10_000,
    failures: 'node_modules/.cache/switchgear/failures.json',
  },
)

const schema: z.ZodType<CheckOptions> = z.strictObject({
  config: z
    .strictObject({
      breakers: z.record(z.string(), breakerOptionsSchema).optional(),
      retry: retryPolicySchema.optional(),
      deadlineMs: durationMs.optional(),
      limits: z.custom<Limits>((value) => typeof value === 'object' && value !== null, 'expected limits').optional(),
    })
    .optional(),
  handlers: z.record(z.string(), callable<Handler>()).optional(),
  outcomes: z
    .custom<fc.Arbitrary<TransportOutcome>>((value) => value instanceof fc.Arbitrary, 'expected an arbitrary')
    .optional(),
  laws: z
    .array(z.custom<LawGroup>((value) => typeof value === 'object' && value !== null, 'expected a group of laws'))
    .min(1)
    .optional(),
  skip: z.record(z.string(), z.string()).optional(),
  instances: count.max(16).optional(),
  faults: z
    .union([z.enum(['all', 'none']), z.array(z.enum(faultKinds))], {
      error: `expected 'all', 'none' or some of ${faultKinds.join(', ')}`,
    })
    .optional(),
  budget: z.strictObject({ runs: count.optional(), ms: durationMs.optional() }).optional(),
  seed: z.number().int().optional(),
  failures: z.union([z.string(), z.literal(false)]).optional(),
})

/** @throws ConfigError naming the path, the value and what was expected */
export function checkOptions(given: CheckOptions): CheckOptions {
  const options = parseOptions(schema, given, '')
  const { config = {}, handlers = {}, skip = {} } = options
  if (config.limits !== undefined) checkLimits(config.limits, 'config.limits')
  for (const name of Object.keys(handlers))
    if (!Object.hasOwn(config.breakers ?? {}, name))
      throw new ConfigError(`handlers.${name}`, `expected the name of a breaker in config.breakers (given: "${name}")`)
  const names = new Set((options.laws ?? Object.values(allLaws)).flatMap((group) => Object.values(group).map(nameOf)))
  for (const [name, reason] of Object.entries(skip)) {
    if (!names.has(name))
      throw new ConfigError(`skip.${name}`, `expected the name of a law that is to be tried (given: "${name}")`)
    if (reason.trim() === '') throw new ConfigError(`skip.${name}`, 'expected a reason (given: "")')
  }
  return options
}

function nameOf({ name }: { readonly name: string }): string {
  return name
}

/** What the laws are tried on. */
export function subjectOf({ config = {}, handlers = {}, ...options }: CheckOptions): Subject {
  const { breakers = {}, retry, limits, deadlineMs } = config
  const named = Object.keys(breakers).length === 0 ? { default: {} } : breakers
  const { faults = 'all', instances = checkDefaults.instances, outcomes = anyOutcome } = options
  const failures = fc.sample(outcomes, { numRuns: 100, seed: 1 }).filter(isFailure)
  return {
    breakers: Object.entries(named).map(([name, of]) => ({
      name,
      options: of,
      settings: breakerSettings(of),
      handler: Object.hasOwn(handlers, name) ? handlers[name] : undefined,
    })),
    retry,
    deadlineMs: retry?.deadlineMs ?? deadlineMs,
    limits: Object.keys(limits ?? {}).length === 0 ? undefined : limits,
    outcomes,
    failures: failures.length === 0 ? [http(503)] : failures.slice(0, 20),
    instances,
    faults: faults === 'all' ? faultKinds : faults === 'none' ? [] : faults,
  }
}

const anyOutcome: fc.Arbitrary<TransportOutcome> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(ok()) },
  { weight: 3, arbitrary: fc.constantFrom(http(503), timedOut(), thrown('the connection was reset')) },
)
