import type { Judgement } from './breaker-options.ts'

/** What calls that were admitted since the gate last changed do with their outcomes; one object for all of them. */
export interface Generation {
  succeeded<T>(value: T): T
  failed(error: unknown): never
  judge(error: unknown): Judgement
}

/** While a breaker is disabled its calls count nowhere. */
export const uncounted: Generation = Object.freeze({
  succeeded: <T>(value: T): T => value,
  failed: (error: unknown): never => {
    throw error
  },
  judge: () => 'ignored' as const,
})
