import type { Law } from '../law.ts'
import { flaps } from './autonomy-flaps.ts'
import { unlinked } from './autonomy-gate.ts'
import { loosenByLog } from './autonomy-loosen.ts'
import { reconcile } from './autonomy-reconcile.ts'
import { tightenFirst } from './autonomy-tighten.ts'

export type AutonomyLawName = 'tightenFirst' | 'loosenByLog' | 'unlinked' | 'reconcile' | 'flaps'

/** The laws of an instance that may be without the others. */
export const autonomyLaws: Readonly<Record<AutonomyLawName, Law>> = {
  tightenFirst,
  loosenByLog,
  unlinked,
  reconcile,
  flaps,
}
