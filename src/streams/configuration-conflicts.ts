import { growingDelay } from '../kernel/jitter.ts'
import { breakerConflicts, type Conflict } from '../machines/breaker-conflicts.ts'
import { breakerSettings, type BreakerOptions } from '../machines/breaker-options.ts'
import { backoffDefaults } from './retry/backoff.ts'
import { maxAttemptsDefault, type RetryPolicy } from './retry/retry-policy.ts'

/** What an instance is configured with; the same shape for `createSwitchgear`, `verify` and `simulate`. */
export interface Configuration {
  /** Options of breakers by name; `default` is for those without an entry of their own. */
  readonly breakers?: Readonly<Record<string, BreakerOptions>> | undefined
  readonly retry?: RetryPolicy | undefined
  /** How long a whole call may take with its retries, in ms. */
  readonly deadlineMs?: number | undefined
}

/** Every conflict in a configuration that is well formed: its breakers', and those between its parts. */
export function configurationConflicts(configuration: Configuration): readonly Conflict[] {
  const breakers = Object.entries(configuration.breakers ?? {})
  return [
    ...breakers.flatMap(([name, options]) => breakerConflicts(breakerSettings(options), `breakers.${name}`)),
    ...callConflicts(configuration),
  ]
}

/** Those between breakers, retries and the deadline. */
export function callConflicts({ breakers = {}, retry, deadlineMs: forAll }: Configuration): readonly Conflict[] {
  const maxAttempts = retry?.maxAttempts ?? maxAttemptsDefault
  const deadlineMs = retry?.deadlineMs ?? forAll
  // Who says nothing of retries has not meant a number of them.
  if (retry === undefined || deadlineMs === undefined || maxAttempts < 2) return []
  const where = retry.deadlineMs === undefined ? 'deadlineMs' : 'retry.deadlineMs'
  const found: Conflict[] = []
  const waits = longestWaits(retry, maxAttempts, deadlineMs)
  if (waits.totalMs >= deadlineMs)
    found.push({
      rule: 'retriesOutlastDeadline',
      path: 'retry.maxAttempts',
      message: `the waits before attempt ${waits.attempt} of retry.maxAttempts (${maxAttempts}) may come to ${Math.round(waits.totalMs)} ms, and ${where} is ${deadlineMs}: it is never made then, however fast the others fail`,
    })
  for (const [name, { timeoutMs }] of Object.entries(breakers))
    if (timeoutMs !== undefined && timeoutMs >= deadlineMs)
      found.push({
        rule: 'timeoutOutlastsDeadline',
        path: `breakers.${name}.timeoutMs`,
        message: `timeoutMs (${timeoutMs}) is not below ${where} (${deadlineMs}): an attempt that hangs uses all of it, and is never retried`,
      })
  return found
}

/** The first attempt whose waits reach the deadline, or else the last, at the longest that the jitter draws. */
function longestWaits(
  retry: RetryPolicy,
  maxAttempts: number,
  deadlineMs: number,
): { readonly attempt: number; readonly totalMs: number } {
  const delay = {
    baseMs: retry.baseDelayMs ?? backoffDefaults.baseDelayMs,
    maxMs: retry.maxDelayMs ?? backoffDefaults.maxDelayMs,
    multiplier: retry.multiplier ?? backoffDefaults.multiplier,
    jitter: retry.jitter ?? backoffDefaults.jitter,
  }
  let [attempt, totalMs, waitMs] = [1, 0, delay.baseMs]
  while (attempt < maxAttempts && totalMs < deadlineMs) {
    waitMs = growingDelay(delay, attempt - 1, 1, waitMs)
    totalMs += waitMs
    attempt += 1
  }
  return { attempt, totalMs }
}
