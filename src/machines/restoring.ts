import type { Random } from '../ports/random.ts'
import type { FleetState } from './fleet-state.ts'
import type { Position } from './fold.ts'

/** How many breakers an instance restores at the same time. */
export const restoresAtOnce = 8

/** What this instance knows of a breaker that the new log does not. */
export function toRestore({ state, held }: Position): FleetState | undefined {
  return held?.why === 'epoch' && state.term < held.state.term ? held.state : undefined
}

/**
 * Tells a new log where the fleet stood: a few breakers at a time, those that are not closed first, and each instance in
 * an order of its own, so that most of what it comes to has been told by another already. `restore` gives whether it has
 * to be told again: a state that nobody heard of would be held here for ever.
 */
export async function restoreAll(
  positions: ReadonlyMap<string, Position>,
  random: Random,
  restore: (breaker: string, state: FleetState) => Promise<boolean>,
): Promise<void> {
  const waiting = [...positions]
    .filter(([, position]) => toRestore(position) !== undefined)
    .map(([breaker, position]) => ({ breaker, rank: rank(position) + random.next() }))
    .toSorted((one, other) => one.rank - other.rank)
    .values()
  await Promise.all(Array.from({ length: restoresAtOnce }, work))

  async function work(): Promise<void> {
    for (const { breaker } of waiting) {
      let state = stateOf(breaker)
      while (state !== undefined && (await restore(breaker, state))) state = stateOf(breaker)
    }
  }

  function stateOf(breaker: string): FleetState | undefined {
    const position = positions.get(breaker)
    return position === undefined ? undefined : toRestore(position)
  }
}

function rank({ held }: Position): number {
  return held?.state.mode === 'closed' ? 1 : 0
}
