import { classify, type ClassifiedError } from '../../kernel/classify.ts'
import { BreakerOpenError, ClosedError, ConfigError, OverCapacityError, RateLimitedError } from '../../kernel/errors.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import type { Call } from '../../machines/breaker-options.ts'
import type { Letter, LetterAttempt } from '../../ports/dead-letters.ts'
import type { Decision } from '../../ports/limiter.ts'
import type { Logger } from '../../ports/logger.ts'
import type { RedriveBreaker, RedriveLimit, RedriveWorkOptions } from './redrive-options.ts'
import type { RetryPlan } from '../retry/retry-policy.ts'
import { type RetryResult, runWithRetry } from '../retry/run-with-retry.ts'

/** What came of sending a letter. With the last three nothing was sent, and no redrive is spent. */
export type Sent =
  | { readonly status: 'delivered' }
  | { readonly status: 'failed'; readonly error: ClassifiedError; readonly attempts: readonly LetterAttempt[] }
  | { readonly status: 'breakerOpen'; readonly retryAfterMs: number }
  | { readonly status: 'limited'; readonly retryAfterMs: number }
  | { readonly status: 'aborted' }

export interface SendPlan extends Pick<RedriveWorkOptions, 'to' | 'through' | 'limit'> {
  readonly retry: RetryPlan
  readonly logger: Logger
}

/** How long to wait where there is no room for another breaker, in ms. */
const noRoomWaitMs = 1_000

/**
 * Sends a letter as it was sent the first time: if its breaker and its limit let it, with retries. When the signal aborts it
 * still waits for what was begun: only then is it known whether the letter was delivered.
 * @throws ClosedError, ConfigError, RateLimitedError where no letter can be sent any more
 */
export async function sendLetter(plan: SendPlan, letter: Letter, signal: AbortSignal): Promise<Sent> {
  let breaker: RedriveBreaker | undefined
  try {
    breaker = breakerOf(plan, letter)
  } catch (error) {
    if (error instanceof ClosedError) throw error
    if (error instanceof OverCapacityError) return { status: 'breakerOpen', retryAfterMs: noRoomWaitMs }
    return { status: 'failed', error: classify(error), attempts: [] }
  }
  const retryAfterMs = breaker?.refusedForMs?.()
  if (retryAfterMs !== undefined) return { status: 'breakerOpen', retryAfterMs }
  const decision = plan.limit && (await askLimiter(plan.limit, letter, plan.logger))
  if (decision?.allowed === false) return limited(decision, letter)

  let begun = 0
  let delivered = Promise.resolve(false)
  const send = (call: Call): Promise<unknown> => {
    begun += 1
    const sending = started(() => plan.to(letter, call))
    delivered = sending.then(
      () => true,
      () => false,
    )
    return sending
  }
  const result = await runWithRetry(
    plan.retry,
    (attempt) => (breaker === undefined ? send(attempt) : breaker.run(send, { signal: attempt.signal })),
    { signal },
  )
  const sent = await outcomeOf(result, () => delivered)
  if (begun === 0 && decision !== undefined) unheeded(() => plan.limit?.limiter.refund(decision))
  return sent
}

function breakerOf({ through }: SendPlan, letter: Letter): RedriveBreaker | undefined {
  return typeof through === 'function' ? through(letter) : through
}

function started(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return Promise.resolve(work())
  } catch (error) {
    return Promise.reject(error)
  }
}

/** `undefined` when the limiter cannot say: a broken limiter must not stop what it limits. @throws ConfigError */
async function askLimiter(limit: RedriveLimit, letter: Letter, logger: Logger): Promise<Decision | undefined> {
  try {
    const names = typeof limit.names === 'function' ? limit.names(letter) : limit.names
    return await limit.limiter.check(limit.key?.(letter) ?? letter.organization, names)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    logger.warn({ err: error, letterId: letter.id }, 'the limiter failed; the redrive goes on')
    return undefined
  }
}

/** @throws RateLimitedError for what can never pass */
function limited(decision: Decision, { organization }: Letter): Sent {
  if (decision.retryAfterMs === Infinity) throw new RateLimitedError(`the redrive of "${organization}"`, decision)
  return { status: 'limited', retryAfterMs: decision.retryAfterMs }
}

/** @throws ClosedError */
async function outcomeOf(result: RetryResult<unknown>, delivered: () => Promise<boolean>): Promise<Sent> {
  if (result.ok) return { status: 'delivered' }
  if (result.aborted) return { status: (await delivered()) ? 'delivered' : 'aborted' }
  const { thrown, attemptErrors } = result
  if (thrown instanceof ClosedError) throw thrown
  const refused = thrown instanceof BreakerOpenError
  if (refused && attemptErrors.length <= 1) return { status: 'breakerOpen', retryAfterMs: thrown.retryAfterMs }
  // What the work said last says more than that a later attempt was not let through.
  const ofTheWork = refused ? attemptErrors.slice(0, -1) : attemptErrors
  return {
    status: 'failed',
    error: refused ? (ofTheWork.at(-1)?.error ?? result.error) : result.error,
    attempts: ofTheWork.map(({ at, error: { message } }) => ({ at, error: message })),
  }
}
