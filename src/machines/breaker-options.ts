import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { isAbort, isOwnFault } from '../kernel/own-faults.ts'
import { callable, count, durationMs, parseOptions } from '../kernel/options.ts'
import { jitterDefault, jitterSchema, type GrowingDelay, type Jitter } from '../kernel/jitter.ts'

/** What a rate is taken over: the last so many calls, or the last so many milliseconds. */
export type Window = { readonly calls: number } | { readonly ms: number }

/** What an outcome says of the dependency. `ignored` says nothing and counts nowhere. */
export type Judgement = 'failure' | 'success' | 'ignored'

/** What a call's work is given. */
export interface Call {
  /** Aborts when the caller gives up, when `timeoutMs` is over, and for a probe at 0.8 of its lease. Made when it is read. */
  readonly signal: AbortSignal
  /** Set when this call is the probe: a fencing token that only grows within a breaker. */
  readonly probe?: { readonly term: number; readonly attempt: number }
}

/** How a breaker behaves. All of it optional; `breakerDefaults` holds the defaults. */
export interface BreakerOptions {
  /** Consecutive failures that trip it, at least 1; 5. `false` turns the rule off. */
  readonly failureThreshold?: number | false | undefined
  /** Trips when the share of failures reaches `threshold` (0 to 1), with at least `minimumCalls` (10) counted. Off. */
  readonly failureRate?:
    | { readonly over: Window; readonly threshold: number; readonly minimumCalls?: number | undefined }
    | undefined
  /** Trips when the share of calls of at least `slowerThanMs` reaches `threshold`. Off. */
  readonly slowCallRate?:
    | {
        readonly over: Window
        readonly threshold: number
        readonly slowerThanMs: number
        readonly minimumCalls?: number | undefined
      }
    | undefined
  /** How long it stays open before a probe, in ms; 60,000. */
  readonly recoveryTimeoutMs?: number | undefined
  /** How that grows with each recovery that failed: times `multiplier` (2), up to `maxMs` (600,000), jittered ±10 %. */
  readonly recoveryBackoff?:
    | {
        readonly multiplier?: number | undefined
        readonly maxMs?: number | undefined
        readonly jitter?: Jitter | undefined
      }
    | undefined
  readonly probe?:
    | {
        /** How long a probe may take before it has failed, in ms; 30,000. */
        readonly leaseMs?: number | undefined
        /** Probes in a row that must pass; 1. */
        readonly successesToClose?: number | undefined
        /** Lets an instance probe by itself, without waiting for a call. None. */
        readonly check?: ((call: Call) => Promise<unknown>) | undefined
      }
    | undefined
  /** How many instances must see the fault before the fleet opens, 1 to 16; 1. */
  readonly quorum?: number | undefined
  /** Whether the rate rules count the calls of the whole fleet; false. Has no effect with a `quorum` above 1. */
  readonly sharedEvidence?: boolean | undefined
  /** How long an attempt may take, in ms; off. */
  readonly timeoutMs?: number | undefined
  /** What an error says of the dependency; `undefined` leaves it to the built-in answer. */
  readonly judge?: ((error: unknown) => Judgement | undefined) | undefined
}

/** The defaults, with their source in the specification. */
export const breakerDefaults: Readonly<{
  failureThreshold: number
  minimumCalls: number
  recoveryTimeoutMs: number
  recoveryMultiplier: number
  recoveryMaxMs: number
  recoveryJitter: Jitter
  leaseMs: number
  successesToClose: number
  quorum: number
}> = Object.freeze({
  failureThreshold: 5,
  minimumCalls: 10,
  recoveryTimeoutMs: 60_000,
  recoveryMultiplier: 2,
  recoveryMaxMs: 600_000,
  recoveryJitter: jitterDefault,
  leaseMs: 30_000,
  successesToClose: 1,
  quorum: 1,
})

export interface RateRule {
  readonly over: Window
  readonly threshold: number
  readonly minimumCalls: number
  /** `Infinity` for failures: then no call is slow. */
  readonly slowerThanMs: number
}

/** Options with everything decided; frozen, and shared by the breakers that were given the same object. */
export interface BreakerSettings {
  /** `Infinity`: off. */
  readonly failureThreshold: number
  readonly failureRate: RateRule | undefined
  readonly slowCallRate: RateRule | undefined
  readonly recovery: GrowingDelay
  readonly leaseMs: number
  readonly successesToClose: number
  readonly check: ((call: Call) => Promise<unknown>) | undefined
  readonly quorum: number
  readonly sharedEvidence: boolean
  /** Whether it has any effect: with a quorum a trip is a vote, which rests on what its instance saw itself. */
  readonly sharesRates: boolean
  readonly timeoutMs: number | undefined
  readonly judge: (error: unknown) => Judgement
  /** The caller's own part of `judge`. */
  readonly userJudge: BreakerOptions['judge']
  /** Whether a rule looks at durations. */
  readonly timed: boolean
  /** Whether a rule looks at the time. */
  readonly timeWindow: boolean
}

/** The share of a lease that a probe may use; the rest is for its result to reach the log. */
export const probeShare = 0.8

const settingsOf = new WeakMap<object, BreakerSettings>()
const noOptions: BreakerOptions = Object.freeze({})

/**
 * Checks options and fills in the defaults; the same object is checked once.
 * @throws ConfigError
 */
export function breakerSettings(options: BreakerOptions = noOptions, path = 'breaker'): BreakerSettings {
  const known = settingsOf.get(options)
  if (known !== undefined) return known
  const settings = settle(parseOptions(breakerOptionsSchema, options, path))
  settingsOf.set(options, settings)
  return settings
}

function settle(options: BreakerOptions): BreakerSettings {
  const {
    failureThreshold = breakerDefaults.failureThreshold,
    failureRate,
    slowCallRate,
    recoveryBackoff = {},
    probe = {},
  } = options
  const baseMs = options.recoveryTimeoutMs ?? breakerDefaults.recoveryTimeoutMs
  return Object.freeze({
    failureThreshold: failureThreshold === false ? Infinity : failureThreshold,
    failureRate: failureRate && rateRule({ ...failureRate, slowerThanMs: Infinity }),
    slowCallRate: slowCallRate && rateRule(slowCallRate),
    recovery: {
      baseMs,
      multiplier: recoveryBackoff.multiplier ?? breakerDefaults.recoveryMultiplier,
      // A recovery timeout above the cap is what the caller asked for; it just does not grow.
      maxMs: Math.max(baseMs, recoveryBackoff.maxMs ?? breakerDefaults.recoveryMaxMs),
      jitter: recoveryBackoff.jitter ?? breakerDefaults.recoveryJitter,
    },
    leaseMs: probe.leaseMs ?? breakerDefaults.leaseMs,
    successesToClose: probe.successesToClose ?? breakerDefaults.successesToClose,
    check: probe.check,
    quorum: options.quorum ?? breakerDefaults.quorum,
    sharedEvidence: options.sharedEvidence ?? false,
    sharesRates:
      options.sharedEvidence === true && (options.quorum ?? 1) === 1 && (failureRate ?? slowCallRate) !== undefined,
    timeoutMs: options.timeoutMs,
    judge: judgeWith(options.judge),
    userJudge: options.judge,
    timed: slowCallRate !== undefined,
    timeWindow: [failureRate, slowCallRate].some((rule) => rule !== undefined && 'ms' in rule.over),
  })
}

function rateRule(rule: Omit<RateRule, 'minimumCalls'> & { readonly minimumCalls?: number | undefined }): RateRule {
  return { ...rule, minimumCalls: rule.minimumCalls ?? breakerDefaults.minimumCalls }
}

/** Whether two breakers with these would behave alike. */
export function sameSettings(one: BreakerSettings, other: BreakerSettings): boolean {
  return one === other || isDeepStrictEqual({ ...one, judge: one.userJudge }, { ...other, judge: other.userJudge })
}

/** The user's answer where there is one; a judge that throws has none. Own faults and aborts say nothing of the dependency. */
function judgeWith(judge: BreakerOptions['judge']): (error: unknown) => Judgement {
  return (error) => {
    try {
      const answer = judge?.(error)
      if (answer === 'failure' || answer === 'success' || answer === 'ignored') return answer
    } catch {
      // Then the built-in answer holds.
    }
    return isAbort(error) || isOwnFault(error) ? 'ignored' : 'failure'
  }
}

const fraction = z.number().min(0).max(1)
/** A window over calls is a byte a call, so it has a bound. */
const windowCallsMax = 100_000
const window: z.ZodType<Window> = z.union(
  [z.strictObject({ calls: count.max(windowCallsMax) }), z.strictObject({ ms: durationMs.min(20) })],
  { error: 'expected either { calls } or { ms }' },
)

export const breakerOptionsSchema: z.ZodType<BreakerOptions> = z.strictObject({
  failureThreshold: z
    .union([count, z.literal(false)], { error: 'expected a whole number of at least 1, or false' })
    .optional(),
  failureRate: z.strictObject({ over: window, threshold: fraction, minimumCalls: count.optional() }).optional(),
  slowCallRate: z
    .strictObject({ over: window, threshold: fraction, slowerThanMs: durationMs, minimumCalls: count.optional() })
    .optional(),
  recoveryTimeoutMs: durationMs.optional(),
  recoveryBackoff: z
    .strictObject({
      multiplier: z.number().min(1).max(100).optional(),
      maxMs: durationMs.optional(),
      jitter: jitterSchema.optional(),
    })
    .optional(),
  probe: z
    .strictObject({
      leaseMs: durationMs.optional(),
      successesToClose: count.optional(),
      check: callable<(call: Call) => Promise<unknown>>().optional(),
    })
    .optional(),
  quorum: count.max(16).optional(),
  sharedEvidence: z.boolean().optional(),
  timeoutMs: durationMs.optional(),
  judge: callable<(error: unknown) => Judgement | undefined>().optional(),
})
