import { ConfigError, OverCapacityError, UnavailableError } from '../kernel/errors.ts'
import { unheeded } from '../kernel/unheeded.ts'
import type { Clock } from '../ports/clock.ts'
import { makeDecision, tellDecision } from '../ports/decision.ts'
import { limitUsage } from '../ports/limit-usage.ts'
import type { Decision, LimitDefinition, Limiter, LimitNames, LimitStore } from '../ports/limiter.ts'
import { type AskedLimit, checkKey, readNames } from '../ports/limits.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import { rememberedRefusals } from './remembered-refusals.ts'
import { sharedDeadline } from './shared-deadline.ts'
import { storeWatch } from './store-watch.ts'

/** While the store cannot be asked: allow everything, refuse everything, or let each instance limit by itself. */
export type OnUnavailable = 'open' | 'closed' | 'local'

export interface GuardOptions {
  readonly limits: ReadonlyMap<string, LimitDefinition>
  /** An answer within this, in ms, whatever the store does. */
  readonly deadlineMs: number
  readonly onUnavailable: OnUnavailable
  /** Decides meanwhile with `local`. */
  readonly local: Limiter
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** With `closed`, when to come back, in ms: the store is asked again by then. */
const closedRetryMs = 1_000

/**
 * A limiter that is never in the way: it answers within `deadlineMs`, and says so (`degraded`) when the store did not;
 * after three such failures in a row the store is left alone for a while and nobody waits. A refusal is remembered until
 * its `retryAfterMs`, at most for a second, and costs no round trip meanwhile. `check` and `peek` reject with
 * `ConfigError` alone; a refund that cannot be made is none; `reset` and `override` reject with `UnavailableError`.
 */
export function guardedLimiter(store: LimitStore, options: GuardOptions): Limiter {
  const { limits, deadlineMs, onUnavailable, local, clock, random, logger } = options
  const watch = storeWatch({ clock, random, logger })
  const refusals = rememberedRefusals(clock)
  const usage = limitUsage(limits)
  const sinceAt = clock.now()
  const booked = new WeakMap<Decision, { readonly key: string; readonly by: LimitStore; readonly decision: Decision }>()

  const inTime = sharedDeadline(clock, deadlineMs, 'the store of the limiter')

  /** What the store says, or `undefined` when it does not in time. @throws ConfigError */
  const ask = async (question: () => Promise<Decision>): Promise<Decision | undefined> => {
    if (!watch.mayAsk()) return undefined
    try {
      const decision = await inTime(question)
      watch.succeeded()
      return decision
    } catch (error) {
      if (error instanceof ConfigError) {
        watch.succeeded()
        throw error
      }
      watch.failed(error)
      return undefined
    }
  }

  const standIn = async (key: string, asked: readonly AskedLimit[], books: boolean): Promise<Decision> => {
    if (onUnavailable !== 'local') return withoutStore(asked, onUnavailable === 'open')
    const decision = await (books ? local.check(key, asked) : local.peek(key, asked)).catch(roomForNoMore)
    if (decision === undefined) return withoutStore(asked, true)
    const degraded = makeDecision({ ...decision, degraded: true })
    if (books && decision.allowed) booked.set(degraded, { key, by: local, decision })
    return degraded
  }

  const check = async (key: string, names: LimitNames): Promise<Decision> => {
    const asked = readNames(names, limits)
    checkKey(key)
    const remembered = refusals.get(key, asked)
    if (remembered !== undefined) return told(key, asked, remembered)
    const generation = refusals.generation
    const decision = await ask(() => store.check(key, asked))
    if (decision === undefined) return told(key, asked, await standIn(key, asked, true))
    if (decision.allowed) booked.set(decision, { key, by: store, decision })
    else if (generation === refusals.generation) refusals.add(key, asked, decision)
    return told(key, asked, decision)
  }

  const told = (key: string, asked: readonly AskedLimit[], decision: Decision): Decision => {
    usage.record(key, asked, decision.allowed, clock.monotonic())
    tellDecision(key, decision)
    return decision
  }

  /** What changes what is granted to a key. @throws ConfigError, UnavailableError */
  const change = async (key: string, of: (limiter: LimitStore) => Promise<void>): Promise<void> => {
    if (onUnavailable === 'local') await of(local).catch(roomForNoMore)
    try {
      await inTime(() => of(store))
    } catch (error) {
      if (error instanceof ConfigError || error instanceof UnavailableError) throw error
      throw new UnavailableError('the store of the limiter', `it did not answer in ${deadlineMs} ms`, { cause: error })
    } finally {
      refusals.forget(key)
    }
  }

  return {
    check,
    async peek(key, names) {
      const asked = readNames(names, limits)
      checkKey(key)
      return (await ask(() => store.peek(key, asked))) ?? standIn(key, asked, false)
    },
    async refund(decision) {
      const booking = booked.get(decision)
      if (booking === undefined) return
      booked.delete(decision)
      await inTime(() => booking.by.refund(booking.decision)).catch(() => {})
      refusals.forget(booking.key)
    },
    reset: (key, names) => change(key, (limiter) => limiter.reset(key, names)),
    override: (key, given) => change(key, (limiter) => limiter.override(key, given)),
    suggest: async () => usage.suggest(sinceAt),
    async close() {
      unheeded(() => store.close?.())
    },
  }
}

/** What one instance has no room for is not limited by it, which is what there is without it. */
function roomForNoMore(error: unknown): undefined {
  if (!(error instanceof OverCapacityError)) throw error
}

function withoutStore(asked: readonly AskedLimit[], allowed: boolean): Decision {
  const limits = asked.map(({ name, definition: { limit, windowMs } }) => {
    return { name, limit, windowMs, remaining: allowed ? limit : 0, resetMs: 0, exceeded: false }
  })
  return makeDecision({ allowed, degraded: true, retryAfterMs: allowed ? 0 : closedRetryMs, limits })
}
