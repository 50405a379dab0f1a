import { isDeepStrictEqual } from 'node:util'
import { fold, unread } from '../../machines/fold.ts'
import type { FleetModes } from './fleet-modes.ts'
import type { GuardedCalls } from './guarded-calls.ts'
import type { SimulatedFleet } from './simulated-fleet.ts'
import type { SimulationPlan } from './simulation-plan.ts'

/** A law that did not hold. */
export interface Broken {
  readonly law: string
  readonly what: string
}

/** What must hold once everything is healed and quiet; nothing, if it does. What explains the others comes first. */
export function whatIsBroken(
  fleet: SimulatedFleet,
  calls: GuardedCalls,
  { scenario }: SimulationPlan,
  { recoveredAt }: FleetModes,
): readonly Broken[] {
  return [
    ...convergence(fleet, scenario.of),
    ...(recoveredAt === undefined
      ? [{ law: 'breaker.liveness', what: 'calls went on, and some instances never let them through again' }]
      : []),
    ...outcomes(calls),
  ]
}

function outcomes({ tally, underWay, letters }: GuardedCalls): readonly Broken[] {
  const { calls, delivered, late, lost } = tally
  if (underWay === 0 && letters === 0 && delivered + late + lost === calls) return []
  const ends = `${delivered} delivered, ${late} late, ${lost} lost, ${letters} dead letters, ${underWay} without an end`
  return [{ law: 'deadLetters.one-outcome', what: `${calls} calls came in, and there are ${ends}` }]
}

/** Every instance is where the whole log leads, and lets through what that allows. */
function convergence({ sites, log }: SimulatedFleet, breaker: string): readonly Broken[] {
  let end = unread
  for (const message of log.archive.at(-1) ?? []) end = fold(end, message).position
  const broken: Broken[] = []
  for (const { name, process } of sites) {
    const { replica } = process.instance
    const { state, seq, provisional } = replica.position(breaker)
    const { mode, scope } = process.instance.breaker(breaker).state
    if (!replica.linked) broken.push({ law: 'fleet.convergence', what: `${name} is not linked` })
    else if (provisional) broken.push({ law: 'fleet.convergence', what: `${name} is uncertain` })
    else if (seq !== end.seq || !isDeepStrictEqual(state, end.state))
      broken.push({
        law: 'fleet.convergence',
        what: `${name} is ${state.mode} at ${seq} where the log leads to ${end.state.mode} at ${end.seq}`,
      })
    else if (scope === 'fleet' && mode !== end.state.mode)
      broken.push({ law: 'fleet.convergence', what: `${name} is ${mode} where the fleet is ${end.state.mode}` })
  }
  return broken
}
