import type { BreakerState } from 'switchgear'
import type { BreakerView } from './page/wire.ts'

/** A breaker as the dashboard has it. */
export function breakerView(name: string, state: BreakerState): BreakerView {
  return { name, ...state }
}
