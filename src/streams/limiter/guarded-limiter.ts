import { ConfigError, OverCapacityError, UnavailableError } from '../../kernel/errors.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import type { Clock } from '../../ports/clock.ts'
import { makeDecision, tellDecision } from '../../ports/decision.ts'
import type { UsageStore } from '../../ports/limit-use.ts'
import type { Decision, LimitDefinition, Limiter, LimitNames, LimitStore } from '../../ports/limiter.ts'
import { type AskedLimit, checkKey, readNames } from '../../ports/limits.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Random } from '../../ports/random.ts'
import { rememberedRefusals } from './remembered-refusals.ts'
import { saidRarely } from '../store-guards/said-rarely.ts'
import { sharedDeadline } from '../store-guards/shared-deadline.ts'
import { sharedUsage } from './shared-usage.ts'
import { storeWatch } from '../store-guards/store-watch.ts'

/** While the store cannot be asked: allow everything, refuse everything, or let each instance limit by itself. */
export type OnUnavailable = 'open' | 'closed' | 'local'

export interface GuardOptions {
  readonly limits: ReadonlyMap<string, LimitDefinition>
  /** An answer within this, in ms, whatever the store does. */
  readonly deadlineMs: number
  readonly onUnavailable: OnUnavailable
  /** Decides meanwhile with `local`. */
  readonly local: LimitStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /**
   * Whether an error of the store says that it can serve nobody; one that is about a key is no reason to leave it alone.
   * Default: every error does.
   */
  readonly isOutage?: ((error: unknown) => boolean) | undefined
  /** Where instances add up what limits are used for. Default: nowhere, and each knows its own use. */
  readonly usage?: UsageStore | undefined
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
  const { limits, deadlineMs, onUnavailable, local, clock, random, logger, isOutage = () => true } = options
  const watch = storeWatch({ name: 'the store of the limiter', clock, random, logger })
  const refusals = rememberedRefusals(clock)
  /** What `local` decided, by what is said of it here. */
  const standIns = new WeakMap<Decision, Decision>()
  /** Answers that had not come when a request passed without them. */
  const late = new WeakMap<Decision, Promise<Decision>>()
  const inTime = sharedDeadline(clock, deadlineMs, 'the store of the limiter')

  const sayOfKey = saidRarely(clock, (facts) =>
    logger.warn(facts, 'the store of the limiter answers, and not about this key'),
  )

  /** What the store says of a key, or `undefined` when it does not in time. @throws ConfigError */
  const ask = (key: string, question: () => Promise<Decision>): Promise<Decision | undefined> => {
    if (!watch.mayAsk()) return Promise.resolve(undefined)
    return inTime(question).then(
      (decision) => {
        watch.succeeded()
        return decision
      },
      (error: unknown) => {
        const ofAll = !(error instanceof ConfigError) && isOutage(error)
        if (ofAll) watch.failed(error)
        else watch.succeeded()
        if (error instanceof ConfigError) throw error
        if (!ofAll) sayOfKey({ err: error, key })
        return undefined
      },
    )
  }

  const sayOfUsage = saidRarely(clock, (facts) => logger.warn(facts, 'what limits are used for cannot be shared'))

  /** It may stand elsewhere than the limits (a node of a cluster), so it says nothing of whether they can be asked. */
  const askOfUsage = async <T>(question: () => Promise<T>): Promise<T | undefined> => {
    if (watch.isPaused()) return undefined
    return inTime(question).catch((error: unknown) => {
      sayOfUsage({ err: error })
      return undefined
    })
  }

  const usage = sharedUsage({ limits, store: options.usage, ask: askOfUsage, clock, random })

  const standIn = async (key: string, asked: readonly AskedLimit[], books: boolean): Promise<Decision> => {
    if (onUnavailable !== 'local') return withoutStore(asked, onUnavailable === 'open')
    const decision = await (books ? local.check(key, asked) : local.peek(key, asked)).catch(roomForNoMore)
    if (decision === undefined) return withoutStore(asked, true)
    const degraded = makeDecision({ ...decision, degraded: true })
    standIns.set(degraded, decision)
    return degraded
  }

  const check = async (key: string, names: LimitNames): Promise<Decision> => {
    const asked = readNames(names, limits)
    checkKey(key)
    const remembered = refusals.get(key, asked)
    if (remembered !== undefined) return told(key, asked, remembered)
    const generation = refusals.generation
    let answer: Promise<Decision> | undefined
    const decision = await ask(key, () => (answer = store.check(key, asked)))
    if (decision === undefined) {
      const instead = await standIn(key, asked, true)
      if (answer !== undefined) settleLate(instead, answer)
      return told(key, asked, instead)
    }
    if (!decision.allowed && generation === refusals.generation) refusals.add(key, asked, decision)
    return told(key, asked, decision)
  }

  /** What the store books too late stands while the request passed, and is given back with it, or because it did not. */
  const settleLate = (instead: Decision, answer: Promise<Decision>): void => {
    if (instead.allowed) late.set(instead, answer)
    else giveBackLate(answer)
  }

  const giveBackLate = (answer: Promise<Decision>): void =>
    unheeded(async () => {
      const key = await store.refund(await answer)
      if (key !== undefined) refusals.forget(key)
    })

  const told = (key: string, asked: readonly AskedLimit[], decision: Decision): Decision => {
    usage.record(key, asked, decision)
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
      return (await ask(key, () => store.peek(key, asked))) ?? standIn(key, asked, false)
    },
    async refund(decision) {
      const unanswered = late.get(decision)
      late.delete(decision)
      if (unanswered !== undefined) giveBackLate(unanswered)
      const instead = standIns.get(decision)
      const givenBack = instead === undefined ? inTime(() => store.refund(decision)) : local.refund(instead)
      const key = await givenBack.catch(() => undefined)
      if (key !== undefined) refusals.forget(key)
    },
    reset: (key, names) => change(key, (limiter) => limiter.reset(key, names)),
    override: (key, given) => change(key, (limiter) => limiter.override(key, given)),
    suggest: () => usage.suggest(),
    async close() {
      await usage.close()
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
