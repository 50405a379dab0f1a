import { z } from 'zod'
import { ConfigError, RateLimitedError } from '../../kernel/errors.ts'
import { callable, hasMethods, parseOptions, shown } from '../../kernel/options.ts'
import type { Decision, Limiter, LimitNames } from '../../ports/limiter.ts'

export interface LimitedOptions<A extends readonly unknown[]> {
  readonly limiter: Pick<Limiter, 'check' | 'refund'>
  /** What each call is counted under. */
  readonly names: LimitNames
  /** Whose limits: an organization, or what makes one of a call's arguments. */
  readonly key: string | ((...args: OfWork<A>) => string)
  /** Whether a call that failed with this error is not to count; none by default. */
  readonly refundWhen?: ((error: unknown) => boolean) | undefined
}

/** The arguments, which are those of `work`: a key that takes fewer does not say that there are no more. */
type OfWork<A extends readonly unknown[]> = A extends infer B extends readonly unknown[] ? B : never

/**
 * A function like `work` that is called only as often as the limits say: over them it rejects with `RateLimitedError`,
 * which carries the decision, and `work` is not called. It rejects with what `work` throws, and with `ConfigError` for a
 * key or a name that cannot be meant.
 * @throws ConfigError
 * @example const send = limit({ limiter, names: 'email', key: (mail) => mail.organization }, sendMail)
 */
export function limit<A extends readonly unknown[], T>(
  options: LimitedOptions<A>,
  work: (...args: A) => Promise<T> | T,
): (...args: A) => Promise<T> {
  const { limiter, names, key, refundWhen } = parseOptions(schema, options, 'limit')
  if (typeof work !== 'function') throw new ConfigError('work', `expected a function (given: ${shown(work)})`)
  const refundOf = async (error: unknown, decision: Decision): Promise<void> => {
    if (refundWhen?.(error)) await limiter.refund(decision)
  }
  return async (...args) => {
    const of = typeof key === 'string' ? key : key(...args)
    const decision: Decision = await limiter.check(of, names)
    if (!decision.allowed) throw new RateLimitedError(`"${of}"`, decision)
    try {
      return await work(...args)
    } catch (error) {
      await refundOf(error, decision).catch(() => {})
      throw error
    }
  }
}

const schema: z.ZodType<LimitedOptions<readonly unknown[]>> = z.strictObject({
  limiter: z.custom<Limiter>((value) => hasMethods(value, ['check', 'refund']), 'expected a limiter'),
  names: z.custom<LimitNames>((value) => value !== undefined, 'expected names'),
  key: z.union([z.string(), callable<(...args: readonly unknown[]) => string>()]),
  refundWhen: callable<(error: unknown) => boolean>().optional(),
})
