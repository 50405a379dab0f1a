import { z } from 'zod'

/**
 * How a delay is spread, so that those who failed together do not come back together.
 * `{ ratio: 0.1 }` is ±10 %; `full` is anything from 0 to the delay; `equal` from half of it to the whole;
 * `decorrelated` from the base to three times the previous delay, or, for who keeps none, such as the recovery of a
 * breaker, to three times what this one is without jitter.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export type Jitter = 'none' | 'full' | 'equal' | 'decorrelated' | { readonly ratio: number }

export const jitterDefault: Jitter = Object.freeze({ ratio: 0.1 })

export const jitterSchema: z.ZodType<Jitter> = z.union(
  [z.enum(['none', 'full', 'equal', 'decorrelated']), z.strictObject({ ratio: z.number().min(0).max(1) })],
  { error: 'expected none, full, equal, decorrelated or { ratio }' },
)

export interface GrowingDelay {
  /** The first delay, in ms. */
  readonly baseMs: number
  /** The ceiling, in ms; nothing jitters above it. */
  readonly maxMs: number
  /** The growth from one step to the next, at least 1. */
  readonly multiplier: number
  readonly jitter: Jitter
}

/**
 * The delay at `step` (0 is the first), in ms: `min(baseMs * multiplier^step, maxMs)`, then jittered, never above `maxMs`.
 * `chance` is uniform in [0, 1); `previousMs` is the delay before, which only `decorrelated` uses; where it is not known,
 * it counts as this one without jitter, so that delays grow all the same. Never throws, and is finite at any step.
 */
export function growingDelay(delay: GrowingDelay, step: number, chance: number, previousMs?: number): number {
  const { baseMs, maxMs, multiplier, jitter } = delay
  const plain = Math.min(baseMs * multiplier ** Math.max(0, step), maxMs)
  switch (jitter) {
    case 'none':
      return plain
    case 'full':
      return chance * plain
    case 'equal':
      return plain / 2 + (chance * plain) / 2
    case 'decorrelated':
      return Math.min(maxMs, baseMs + chance * Math.max(0, Math.min(previousMs ?? plain, maxMs) * 3 - baseMs))
    default:
      return Math.min(maxMs, plain * (1 + jitter.ratio * (2 * chance - 1)))
  }
}
