import { leaseGraceMs } from './breaker-decide.ts'
import { breakerDefaults, probeShare, type BreakerSettings, type RateRule } from './breaker-options.ts'

/**
 * Settings that cannot be meant together, though each is well formed. Whoever makes an instance is warned of them, and
 * `verify` fails on them: there, a law plays what comes of each.
 */
export interface Conflict {
  readonly rule: ConflictRule
  /** Which setting, for example `breakers.smtp.probe.leaseMs`. */
  readonly path: string
  /** What comes of it, with the numbers. */
  readonly message: string
}

export type ConflictRule =
  | 'rateOfNothing'
  | 'windowTooSmall'
  | 'slowerThanTimeout'
  | 'neverTrips'
  | 'nothingToShare'
  | 'leaseBelowTimeout'
  | 'leaseBeyondGrace'
  | 'retriesOutlastDeadline'
  | 'timeoutOutlastsDeadline'

/**
 * How much faster or slower than another a clock may run that is kept in time: 500 parts in a million each, which is the
 * most by which NTP slews one.
 * @see https://datatracker.ietf.org/doc/html/rfc5905#section-11.3
 */
export const clockDriftMax = 500e-6

/** The conflicts within one breaker's settings. `at` is where they were given. */
export function breakerConflicts(settings: BreakerSettings, at: string): readonly Conflict[] {
  return [...rateConflicts(settings, at), ...tripConflicts(settings, at), ...leaseConflicts(settings, at)]
}

function rateConflicts(settings: BreakerSettings, at: string): readonly Conflict[] {
  const { failureRate, slowCallRate, timeoutMs } = settings
  const found: Conflict[] = []
  for (const [name, rule] of Object.entries({ failureRate, slowCallRate })) {
    if (rule === undefined) continue
    const path = `${at}.${name}`
    if (rule.threshold === 0)
      found.push({
        rule: 'rateOfNothing',
        path: `${path}.threshold`,
        message: `${name}.threshold is 0: it trips at minimumCalls, whatever they come to`,
      })
    if (holdsTooFew(rule))
      found.push({
        rule: 'windowTooSmall',
        path: `${path}.minimumCalls`,
        message: `${name}.minimumCalls (${rule.minimumCalls}) is more than its window can hold (${rule.over.calls}): the rule never trips`,
      })
  }
  if (slowCallRate !== undefined && timeoutMs !== undefined && slowCallRate.slowerThanMs > timeoutMs)
    found.push({
      rule: 'slowerThanTimeout',
      path: `${at}.slowCallRate.slowerThanMs`,
      message: `slowCallRate.slowerThanMs (${slowCallRate.slowerThanMs}) is longer than a call may take (timeoutMs, ${timeoutMs}): no call is ever slow, and the rule never trips`,
    })
  return found
}

function holdsTooFew(rule: RateRule): rule is RateRule & { readonly over: { readonly calls: number } } {
  return 'calls' in rule.over && rule.minimumCalls > rule.over.calls
}

function tripConflicts(settings: BreakerSettings, at: string): readonly Conflict[] {
  const { failureThreshold, failureRate, slowCallRate, sharedEvidence, sharesRates, quorum } = settings
  const hasRate = failureRate !== undefined || slowCallRate !== undefined
  const found: Conflict[] = []
  if (sharedEvidence && !sharesRates)
    found.push({
      rule: 'nothingToShare',
      path: `${at}.sharedEvidence`,
      message: hasRate
        ? `sharedEvidence has no effect with a quorum (${quorum}): a vote rests on what its instance saw itself`
        : 'sharedEvidence shares what the rate rules count, and there is neither failureRate nor slowCallRate',
    })
  if (failureThreshold === Infinity && !hasRate)
    found.push({
      rule: 'neverTrips',
      path: `${at}.failureThreshold`,
      message: 'failureThreshold is off and there is no rate rule: it never trips by itself',
    })
  return found
}

function leaseConflicts({ leaseMs, timeoutMs }: BreakerSettings, at: string): readonly Conflict[] {
  const path = `${at}.probe.leaseMs`
  const found: Conflict[] = []
  const probeMs = leaseMs * probeShare
  if (timeoutMs !== undefined && timeoutMs > probeMs)
    found.push({
      rule: 'leaseBelowTimeout',
      path,
      message: `timeoutMs (${timeoutMs}) is longer than a probe may take (${probeShare} of probe.leaseMs, ${probeMs}): slow probes always fail`,
    })
  if (leaseMs * clockDriftMax > leaseGraceMs)
    found.push({
      rule: 'leaseBeyondGrace',
      path,
      message: `probe.leaseMs (${leaseMs}) is so long that clocks differ by more than its grace of ${leaseGraceMs} ms at its end: two probes may run at once; at most ${leaseGraceMs / clockDriftMax}, and ${breakerDefaults.leaseMs} unless there is a reason`,
    })
  return found
}
