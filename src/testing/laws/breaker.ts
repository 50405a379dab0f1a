import type { Law } from '../law.ts'
import { bounded, generation, refuses } from './breaker-calls.ts'
import { after, path, pure, stale, suffix, total } from './breaker-fold.ts'
import { oracle } from './breaker-trips.ts'
import { liveness } from './probe-holder.ts'

export type BreakerLawName =
  | 'total'
  | 'pure'
  | 'stale'
  | 'suffix'
  | 'after'
  | 'oracle'
  | 'refuses'
  | 'path'
  | 'generation'
  | 'liveness'
  | 'bounded'

/** The laws of one breaker: of its fold, of when it trips, of whom it lets through. */
export const breakerLaws: Readonly<Record<BreakerLawName, Law>> = {
  total,
  pure,
  stale,
  suffix,
  after,
  oracle,
  refuses,
  path,
  generation,
  liveness,
  bounded,
}
