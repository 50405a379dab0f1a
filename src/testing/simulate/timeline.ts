import type { ModeChange } from './fleet-modes.ts'
import type { FleetChange, PlayedSimulation } from './play-simulation.ts'
import type { Scenario } from './scenario.ts'
import type { Happened } from './simulated-fleet.ts'
import type { Lane, Tally } from './tally.ts'

/** What happened when, for drawing. Times are simulated ms from the start. */
export interface SimulationTimeline {
  readonly endMs: number
  readonly bucketMs: number
  readonly instances: number
  readonly scenario: Scenario
  /** Attempts by what came of them, in slices of `bucketMs`. */
  readonly with: Readonly<Record<Lane, readonly number[]>>
  readonly without: Readonly<Record<Lane, readonly number[]>>
  /** How each instance stands, from when on; all begin closed. */
  readonly modes: readonly ModeChange[]
  /** What the fleet agreed on. */
  readonly fleet: readonly FleetChange[]
  readonly faults: readonly Happened[]
}

export function timelineOf(played: PlayedSimulation): SimulationTimeline {
  const { plan, endMs, bucketMs, guarded, unprotected, modes, fleetChanges, happened } = played
  const size = Math.ceil(endMs / bucketMs)
  return {
    endMs,
    bucketMs,
    instances: plan.instances,
    scenario: plan.scenario,
    with: lanesOf(guarded, size),
    without: lanesOf(unprotected, size),
    modes: modes.changes.filter(({ atMs }) => atMs <= endMs),
    fleet: fleetChanges.filter(({ atMs }) => atMs <= endMs),
    faults: happened.filter(({ atMs }) => atMs <= endMs),
  }
}

function lanesOf({ lanes }: Tally, size: number): Record<Lane, readonly number[]> {
  const cut = (lane: Lane): readonly number[] => [...lanes[lane].subarray(0, size)]
  return {
    delivered: cut('delivered'),
    failed: cut('failed'),
    refused: cut('refused'),
    redelivered: cut('redelivered'),
  }
}
