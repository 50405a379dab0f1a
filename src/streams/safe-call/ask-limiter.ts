import { ConfigError } from '../../kernel/errors.ts'
import { withTimeout } from '../../kernel/timeout.ts'
import { unheeded } from '../../kernel/unheeded.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Decision, Limiter, LimitNames } from '../../ports/limiter.ts'
import type { Logger } from '../../ports/logger.ts'

export interface LimitQuestion {
  readonly limiter: Pick<Limiter, 'check'>
  readonly key: string
  readonly names: LimitNames
  readonly clock: Clock
  readonly logger: Logger
  /** Ends the waiting for an answer. */
  readonly signal?: AbortSignal | undefined
  /** What it is about, for the log. */
  readonly facts?: object
}

/**
 * The limiter's decision; `undefined` when it cannot give one, since a broken limiter must not stop what it limits.
 * @throws ConfigError for a limit that cannot be meant
 */
export async function askLimiter(question: LimitQuestion): Promise<Decision | undefined> {
  const { limiter, key, names, clock, logger, signal, facts } = question
  try {
    const ask = (): Promise<Decision> => limiter.check(key, names)
    const decision = await withTimeout(ask, { clock, signal, what: 'the limiter' })
    if (typeof decision.allowed !== 'boolean') throw new TypeError('the limiter gave no decision')
    return decision
  } catch (error) {
    if (error instanceof ConfigError) throw error
    if (!signal?.aborted) {
      const limit = { key, names }
      unheeded(() => logger.warn({ err: error, ...facts, limit }, 'the limiter failed; the call goes on'))
    }
    return undefined
  }
}
