import type { PlannedFault } from './fault-plan.ts'
import type { SimulationPlan } from './simulation-plan.ts'

/** How often a smaller plan is tried. A number, and no time: the same seed shrinks to the same story. */
const triesMax = 80

/**
 * The smallest plan that was found to break as this one does: with fewer instances, faults and calls, then with rounder
 * times. `breaks` plays a plan.
 */
export async function shrinkPlan(
  plan: SimulationPlan,
  breaks: (plan: SimulationPlan) => Promise<boolean>,
): Promise<SimulationPlan> {
  let smallest = plan
  let tries = 0
  const attempt = async (smaller: SimulationPlan): Promise<boolean> => {
    if (tries++ >= triesMax || !(await breaks(smaller))) return false
    smallest = smaller
    return true
  }

  for (const instances of [1, 2, 3, 5, 10, 30, 100])
    if (instances < smallest.instances && (await attempt(onFewer(smallest, instances)))) break
  await withoutFaults(() => smallest, attempt)
  // What was needed for the faults may not be needed any more.
  while (smallest.instances > 1 && (await attempt(onFewer(smallest, smallest.instances - 1))));
  for (const callsPerSecond of [1, 5, 20])
    if (callsPerSecond < smallest.scenario.callsPerSecond && (await attempt(told(smallest, { callsPerSecond })))) break
  for (const forMs of [1_000, 5_000, 20_000])
    if (forMs < smallest.scenario.forMs && (await attempt(told(smallest, { forMs })))) break
  await withRoundTimes(() => smallest, attempt)
  return smallest
}

type Attempt = (smaller: SimulationPlan) => Promise<boolean>

/** Halves first, then one by one. */
async function withoutFaults(now: () => SimulationPlan, attempt: Attempt): Promise<void> {
  for (let size = now().faults.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < now().faults.length;) {
      const { faults } = now()
      const fewer = [...faults.slice(0, from), ...faults.slice(from + size)]
      if (!(await attempt({ ...now(), faults: fewer }))) from += size
    }
  }
}

async function withRoundTimes(now: () => SimulationPlan, attempt: Attempt): Promise<void> {
  for (const step of [1_000, 100, 10]) {
    const rounded = now().faults.map((fault) => roundedTo(fault, step))
    if (await attempt({ ...now(), faults: rounded })) return
  }
}

function roundedTo(fault: PlannedFault, step: number): PlannedFault {
  const round = (ms: number): number => Math.round(ms / step) * step
  return { ...fault, atMs: round(fault.atMs), forMs: Math.max(step, round(fault.forMs)) }
}

/** The same for fewer instances. The faults of those that are left out move to those that stay, since they may be what it takes. */
export function onFewer(plan: SimulationPlan, instances: number): SimulationPlan {
  return { ...plan, instances, faults: plan.faults.map((fault) => ({ ...fault, place: fault.place % instances })) }
}

function told(
  plan: SimulationPlan,
  scenario: { readonly callsPerSecond?: number; readonly forMs?: number },
): SimulationPlan {
  return { ...plan, scenario: { ...plan.scenario, ...scenario } }
}
