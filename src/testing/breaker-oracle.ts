import { timeSlices } from '../machines/outcome-window.ts'

/** A fraction as two whole numbers, so that nothing is lost to binary floating point. */
export interface Fraction {
  readonly of: number
  readonly in: number
}

/** A rule in the oracle's words. */
export type OracleRule =
  | { readonly kind: 'consecutive'; readonly threshold: number }
  | {
      readonly kind: 'failures' | 'slow'
      readonly over: { readonly calls: number } | { readonly ms: number }
      readonly threshold: Fraction
      readonly minimumCalls: number
    }

export interface RawOutcome {
  /** When it was counted, monotonic, in ms. */
  readonly at: number
  readonly failed: boolean
  readonly slow: boolean
}

/**
 * Whether the rules trip on these outcomes, oldest first: too simple to be wrong. It keeps everything, counts it from
 * the beginning each time, and compares whole numbers.
 */
export function oracleTrips(rules: readonly OracleRule[], outcomes: readonly RawOutcome[]): boolean {
  return rules.some((rule) => {
    if (rule.kind === 'consecutive') {
      const last = outcomes.slice(-rule.threshold)
      return last.length === rule.threshold && last.every(({ failed }) => failed)
    }
    const counted = inWindow(rule.over, outcomes)
    const hits = counted.filter(({ failed, slow }) => (rule.kind === 'failures' ? failed : slow)).length
    return counted.length >= rule.minimumCalls && hits * rule.threshold.in >= rule.threshold.of * counted.length
  })
}

/** The last so many; or those of the current slice of time and the 19 before it. */
function inWindow(
  over: { readonly calls: number } | { readonly ms: number },
  outcomes: readonly RawOutcome[],
): readonly RawOutcome[] {
  if ('calls' in over) return outcomes.slice(-over.calls)
  const sliceOf = (at: number): number => Math.floor(at / (over.ms / timeSlices))
  const current = sliceOf(outcomes.at(-1)?.at ?? 0)
  return outcomes.filter(({ at }) => sliceOf(at) > current - timeSlices)
}
