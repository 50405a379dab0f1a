import { classify, type ClassifiedError } from '../../kernel/classify.ts'
import { BreakerOpenError } from '../../kernel/errors.ts'
import type { Outcome } from '../../kernel/outcome.ts'
import type { Call } from '../../machines/breaker-options.ts'
import { afterFailedAttempt, newRetryRun, type NextStep, type RetryRun } from '../retry/retry-run.ts'
import { boundedWork } from '../safe-call/bounded-work.ts'
import { breakerOpen, closing, refusalOf } from '../safe-call/refusals.ts'
import type { Delivered, DeliverPlan } from './deliver-options.ts'
import { AbortableCall, type Delivery } from './delivery.ts'

/** What becomes of a delivery that is being attempted. */
export interface AttemptHost {
  readonly plan: DeliverPlan
  readonly isDraining: boolean
  end(delivery: Delivery, outcome: Outcome<unknown>): void
  endWith(delivery: Delivery, delivered: Delivered<unknown, unknown>): void
  /** It has failed for good. */
  giveUp(delivery: Delivery, error: ClassifiedError): void
  /** Hands it back to where it came from if it would have to wait too long in hand; says whether it did. */
  handBack(delivery: Delivery): boolean
  /** It gives up its place, and is the first of its lane again. */
  putBack(delivery: Delivery): void
  /** It was not let begin: what its limit booked is given back. */
  giveBack(delivery: Delivery): void
  expire(delivery: Delivery): void
  /** Nothing can be sent any more: the instance is closing. */
  drain(): void
}

/** Begins an attempt; whatever comes of it is told to the host. */
export function attempt(host: AttemptHost, delivery: Delivery): void {
  const { place } = delivery
  if (isTooOld(host, delivery)) return host.expire(delivery)
  const late = delivery.retry === undefined ? undefined : overdue(delivery.retry)
  if (late !== undefined) return host.giveUp(delivery, late)
  delivery.isTrial = place.begin() || delivery.isTrial
  delivery.entered = false
  const call = new AbortableCall()
  delivery.call = call
  started(host, delivery, call).then(
    (value) => succeeded(host, delivery, value),
    (error: unknown) => failed(host, delivery, error),
  )
}

export function isTooOld({ plan }: Pick<AttemptHost, 'plan'>, { expiresAt }: Delivery): boolean {
  return expiresAt !== Infinity && expiresAt <= plan.clock.monotonic()
}

/** The error to give up with, where the wait took longer than it was to, and the deadline has passed. */
function overdue({ plan, last, deadlineAt }: RetryRun): ClassifiedError | undefined {
  if (last === undefined || deadlineAt === Infinity || plan.clock.monotonic() < deadlineAt) return undefined
  return { ...last.error, gaveUp: 'deadline' }
}

/** While the breaker is closed the call needs no signal of its own: ours aborts when nobody waits any more. */
function started(host: AttemptHost, delivery: Delivery, own: AbortableCall): Promise<unknown> {
  const { breaker, isBare } = delivery.place
  try {
    if (breaker === undefined) return Promise.resolve(work(host, delivery, own))
    if (isBare && breaker.passes) return breaker.run(() => work(host, delivery, own))
    return breaker.run((call) => work(host, delivery, call), { signal: own.signal })
  } catch (error) {
    return Promise.reject(error)
  }
}

function work({ plan }: AttemptHost, delivery: Delivery, call: Call): unknown {
  const { timeoutMs, retry, clock } = plan
  delivery.entered = true
  delivery.attempts += 1
  if (delivery.attempts === 1) retry.budget?.recordCall()
  if (timeoutMs === undefined && retry.deadlineMs === undefined) return plan.to(delivery.item, call)
  const { deadlineAt } = (delivery.retry ??= newRetryRun(retry))
  const bounds = { clock, timeoutMs, deadlineAt, breaker: delivery.place.name }
  return boundedWork((bounded) => plan.to(delivery.item, bounded), call, bounds)
}

function succeeded(host: AttemptHost, delivery: Delivery, value: unknown): void {
  if (delivery.over) return
  delivery.call = undefined
  const { attempts, takenAt, item } = delivery
  const durationMs = host.plan.clock.monotonic() - takenAt
  host.endWith(delivery, { status: 'delivered', value, attempts, durationMs, item })
}

function failed(host: AttemptHost, delivery: Delivery, thrown: unknown): void {
  if (delivery.over) return
  delivery.call = undefined
  if (!delivery.entered) return notLetIn(host, delivery, thrown)
  const { plan } = host
  const { place } = delivery
  const run = (delivery.retry ??= newRetryRun(plan.retry))
  run.attempts = delivery.attempts
  const { error, delayMs } = stepAfter(run, thrown)
  // Whoever was asked may have ended everything.
  if (delivery.over) return
  const heldMs = Math.min(plan.retry.maxDelayMs, askedToWaitMs(error))
  if (heldMs > 0) place.hold(heldMs)
  else if (delivery.isTrial) place.review()
  delivery.hasTried = delivery.isTrial
  delivery.isTrial = false
  if (heldMs > 0 && error.retryable && host.handBack(delivery)) return
  if (error.gaveUp !== undefined) return host.giveUp(delivery, error)
  if (host.isDraining) return host.end(delivery, closing)
  if (heldMs >= delayMs) return host.putBack(delivery)
  delivery.backoff = plan.clock.setTimeout(() => resume(host, delivery), delayMs, { keepAlive: true })
}

/** A budget or a source of chance that throws ends the item. */
function stepAfter(run: RetryRun, thrown: unknown): NextStep {
  try {
    return afterFailedAttempt(run, thrown)
  } catch (fault) {
    return { error: { ...classify(fault), retryable: false, gaveUp: 'final' }, delayMs: 0 }
  }
}

/** The wait is over. Where nothing can be sent now, it waits without a place. */
function resume(host: AttemptHost, delivery: Delivery): void {
  delivery.backoff = undefined
  if (delivery.place.lets) attempt(host, delivery)
  else host.putBack(delivery)
}

/** An answer that says when to come back: what else is for the same destination had better wait, too. */
function askedToWaitMs({ status, retryAfterMs = 0 }: ClassifiedError): number {
  return status === 429 || status === 503 ? retryAfterMs : 0
}

/** The work was not called. */
function notLetIn(host: AttemptHost, delivery: Delivery, error: unknown): void {
  const { place, isTrial } = delivery
  delivery.isTrial = false
  if (!(error instanceof BreakerOpenError)) {
    if (isTrial) place.review()
    const refused = refusalOf(error)
    if (refused === undefined) return host.giveUp(delivery, classify(error))
    host.end(delivery, refused)
    if (refused === closing) host.drain()
    return
  }
  const { whenOpen } = host.plan
  if (whenOpen === 'wait') {
    place.refused(error)
    host.giveBack(delivery)
    return host.putBack(delivery)
  }
  if (isTrial) place.review()
  // What the work itself said last says more than that it was not let in again.
  const last = delivery.retry?.last?.error
  if (last !== undefined) host.giveUp(delivery, { ...last, gaveUp: 'final' })
  else if (whenOpen === 'deadLetter') host.giveUp(delivery, classify(error))
  else host.end(delivery, breakerOpen(error.retryAfterMs))
}
