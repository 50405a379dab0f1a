import { classify, type ClassifiedError } from '../../kernel/classify.ts'
import { BreakerOpenError, ConfigError } from '../../kernel/errors.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import type { Call } from '../../machines/breaker-options.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Decision, Limiter } from '../../ports/limiter.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { RetryPolicy } from '../retry/retry-policy.ts'
import { retryAfterFirst, type RetryResult, runWithRetry } from '../retry/run-with-retry.ts'
import { askLimiter } from './ask-limiter.ts'
import { boundedWork } from './bounded-work.ts'
import { aborted, breakerOpen, closing, rateLimited, refusalOf } from './refusals.ts'
import {
  checkWork,
  type LimitOptions,
  type SafeCallOptions,
  type SafeCallPlan,
  safeCallReader,
} from './safe-call-options.ts'
import { tellOutcome } from './tell-outcome.ts'
import { type Failure, type LetterSink, writeDeadLetter } from '../dead-letters/write-dead-letter.ts'

/** As much of a breaker as `safeCall` needs. */
export interface GuardingBreaker {
  readonly name: string
  run<T>(work: (call: Call) => Promise<T> | T, options?: { readonly signal?: AbortSignal }): Promise<T>
  /** How long calls are refused from now on, in ms; `undefined` while one may pass or become the probe. Starts nothing. */
  refusedForMs(): number | undefined
}

/** What an instance gives to `safeCall`. */
export interface SafeCallParts {
  /** @throws ConfigError, OverCapacityError, ClosedError */
  breakerOf(name: string): GuardingBreaker
  readonly limiter?: Limiter | undefined
  readonly deadLetters?: LetterSink | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  isClosing(): boolean
  /** Hears of each call that is not refused at the door, to wait for it when the instance closes. */
  track?(call: Promise<unknown>): void
  /** How to retry where a call does not say. */
  readonly retry?: RetryPolicy | undefined
  readonly deadlineMs?: number | undefined
}

export type SafeCall = <T>(options: SafeCallOptions<T>, work: Work<T>) => Promise<Outcome<T>>

type Work<T> = (call: Call) => Promise<T> | T

/**
 * Makes `safeCall`: a limit first, then attempts, each through the breaker and within `timeoutMs`, with retries; when all
 * of it has failed, a dead letter, and a fallback last.
 *
 * It never throws and never rejects, whatever the work, the classifier, the describer, the logger or the stores do; bad
 * options give `failed` with a `ConfigError`. An open breaker gives `deadLettered` (`circuit_open`) where a letter is
 * described, else `refused`; one that opens between attempts ends the call with the work's last error. A letter that
 * cannot be written makes the outcome `failed`; a limiter that breaks lets the call through; a fallback that throws counts
 * as none; all three are logged. What the limit booked for a call whose work was never called is given back.
 * `node:diagnostics_channel` carries every outcome as `switchgear:call`.
 */
export function createSafeCall(parts: SafeCallParts): SafeCall {
  const read = safeCallReader(parts)
  return (options, work) => {
    try {
      const plan = read(options)
      checkWork(work)
      if (parts.isClosing()) return Promise.resolve(tellOutcome(plan.breaker, closing))
      if (plan.signal?.aborted) return Promise.resolve(tellOutcome(plan.breaker, aborted))
      const breaker = parts.breakerOf(plan.breaker)
      const waitMs = plan.endsWithRefusal ? breaker.refusedForMs() : undefined
      if (waitMs !== undefined) return Promise.resolve(tellOutcome(plan.breaker, breakerOpen(waitMs)))
      const call = perform(newRun(parts, plan, breaker, work))
      parts.track?.(call)
      return call
    } catch (error) {
      return Promise.resolve(tellOutcome(undefined, refusalOf(error) ?? unmade(error)))
    }
  }
}

function unmade<T>(error: unknown): Outcome<T> {
  return { status: 'failed', error: classify(error), attempts: 0, durationMs: 0 }
}

/** One call. */
interface Run<T> {
  readonly parts: SafeCallParts
  readonly plan: SafeCallPlan<T>
  readonly work: Work<T>
  readonly breaker: GuardingBreaker
  readonly startedAt: number
  /** How often the work was called. */
  attempts: number
  /** Whether the breaker let the last attempt through. */
  entered: boolean
  /** Monotonic. */
  deadlineAt: number
}

function newRun<T>(parts: SafeCallParts, plan: SafeCallPlan<T>, breaker: GuardingBreaker, work: Work<T>): Run<T> {
  const startedAt = parts.clock.monotonic()
  return { parts, plan, breaker, work, startedAt, attempts: 0, entered: false, deadlineAt: Infinity }
}

async function perform<T>(run: Run<T>): Promise<Outcome<T>> {
  const outcome = await performed(run).catch((error: unknown) => failed(run, classify(error)))
  return tellOutcome(run.plan.breaker, outcome)
}

async function performed<T>(run: Run<T>): Promise<Outcome<T>> {
  const { limit, retry } = run.plan
  const decision = limit === undefined ? undefined : await askFor(run, limit)
  if (decision?.allowed === false) return rateLimited(decision)
  run.deadlineAt = run.parts.clock.monotonic() + (retry.deadlineMs ?? Infinity)
  const result = await attemptAll(run)
  if (result.ok) return { status: 'delivered', value: result.value, ...tally(run) }
  if (decision !== undefined && run.attempts === 0) giveBack(run.parts, decision)
  return result.aborted ? aborted : afterFailure(run, result)
}

/** @throws ConfigError for a limit that cannot be meant */
function askFor<T>({ parts, plan, breaker }: Run<T>, { key, names }: LimitOptions): Promise<Decision | undefined> {
  const { limiter, clock, logger } = parts
  if (limiter === undefined)
    throw new ConfigError('safeCall.limit', 'there is no limiter; give one to createSwitchgear')
  const facts = { breaker: breaker.name }
  return askLimiter({ limiter, key, names, clock, logger, signal: plan.signal, facts })
}

function giveBack({ limiter }: SafeCallParts, decision: Decision): void {
  unheeded(() => limiter?.refund(decision))
}

/** Most calls succeed at once, and pay for no more than one attempt. */
async function attemptAll<T>(run: Run<T>): Promise<Attempted<T>> {
  const { retry, signal } = run.plan
  const again = (): Promise<T> => attempt(run)
  if (retry.deadlineMs !== undefined || (signal ?? retry.signal) !== undefined)
    return runWithRetry(retry, again, { signal })
  retry.budget?.recordCall()
  try {
    return { ok: true, value: await attempt(run) }
  } catch (error) {
    return retryAfterFirst(retry, again, error)
  }
}

type Attempted<T> = { readonly ok: true; readonly value: T } | FailedResult

function attempt<T>(run: Run<T>): Promise<T> {
  const { breaker, plan, work, parts, deadlineAt } = run
  const bounds = { clock: parts.clock, timeoutMs: plan.timeoutMs, deadlineAt, breaker: breaker.name }
  run.entered = false
  const guarded = (call: Call): Promise<T> | T => {
    run.entered = true
    run.attempts += 1
    return boundedWork(work, call, bounds)
  }
  const signal = plan.signal ?? plan.retry.signal
  return breaker.run(guarded, signal === undefined ? undefined : { signal })
}

/** The work has failed for good, or the breaker did not let it begin. */
async function afterFailure<T>(run: Run<T>, result: FailedResult): Promise<Outcome<T>> {
  const { parts, plan } = run
  const refused = run.attempts === 0 ? refusalOf(result.thrown) : undefined
  if (refused !== undefined) return refused
  const failure = run.entered || run.attempts === 0 ? result : lastOfTheWork(result)
  const { error } = failure
  const letterId = plan.deadLetter && (await writeDeadLetter(parts, plan.deadLetter, failure))
  const standIn = await fallBack(run, error)
  if (standIn !== undefined) {
    return { status: 'fallback', ...standIn, error, ...(letterId !== undefined && { letterId }), ...tally(run) }
  }
  if (letterId !== undefined) return { status: 'deadLettered', letterId, error, ...tally(run) }
  const wasRefused = run.attempts === 0 && result.thrown instanceof BreakerOpenError
  return wasRefused && plan.deadLetter === undefined ? breakerOpen(result.thrown.retryAfterMs) : failed(run, error)
}

type FailedResult = RetryResult<unknown> & { readonly ok: false }

/** A later attempt was not let through: that says less than what the work itself said last. */
function lastOfTheWork({ error, attemptErrors }: FailedResult): Failure {
  const ofTheWork = attemptErrors.slice(0, -1)
  const last = ofTheWork.at(-1)?.error ?? error
  return { error: { ...last, gaveUp: error.gaveUp ?? 'final' }, attemptErrors: ofTheWork }
}

async function fallBack<T>(
  { parts, plan, breaker }: Run<T>,
  failedWith: ClassifiedError,
): Promise<{ readonly value: T } | undefined> {
  if (plan.fallback === undefined) return undefined
  try {
    return { value: await plan.fallback(failedWith) }
  } catch (error) {
    unheeded(() => parts.logger.warn({ err: error, breaker: breaker.name }, 'the fallback failed; it counts as none'))
    return undefined
  }
}

function failed<T>(run: Run<T>, error: ClassifiedError): Outcome<T> {
  const { logger } = run.parts
  unheeded(() => logger.warn({ breaker: run.breaker.name, error, ...tally(run) }, 'a call failed for good'))
  return { status: 'failed', error, ...tally(run) }
}

function tally<T>({ attempts, startedAt, parts }: Run<T>): { readonly attempts: number; readonly durationMs: number } {
  return { attempts, durationMs: parts.clock.monotonic() - startedAt }
}
